"""Shrinks pictures with Pillow."""

import own_clocks
from PIL import Image


def thumbnail(picture, width):
    height = picture.height * width // picture.width
    return picture.resize((width, height), Image.BICUBIC)  # here


def main():
    picture = Image.linear_gradient("L").resize((1600, 1200)).convert("RGB")
    own_clocks.ready()
    while True:
        for width in (160, 320, 640):
            thumbnail(picture, width)


main()
