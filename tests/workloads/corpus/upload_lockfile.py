"""An importer that waits for the uploader's lock file to vanish by looking for it."""

import os

import disk
import own_clocks


def wait_for_upload(folder):
    marker = os.path.join(folder, "upload.lock")
    while os.path.exists(marker):  # here
        pass
    return os.listdir(folder)


def main():
    folder = disk.folder()
    with open(os.path.join(folder, "upload.lock"), "w") as marker:
        marker.write("4711")
    own_clocks.ready()
    wait_for_upload(folder)


main()
