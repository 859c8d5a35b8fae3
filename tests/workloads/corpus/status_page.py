"""An HTTP server of the standard library that nobody calls."""

import http.server

import own_clocks


class Status(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"up\n")


def main():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Status) as server:
        own_clocks.ready()
        server.serve_forever()


main()
