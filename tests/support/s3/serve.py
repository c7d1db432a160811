"""An S3 server for tests: moto's, with one request at a time.

Real S3 decides a conditional put in one step. moto looks and then writes, so that of two at once both may win; behind a
lock neither can. Everything is kept in memory and goes with the process. With --without-conditions it ignores the conditions of
requests, as older servers do.
"""

import io
import sys
import threading

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    """Logs nothing, and keeps connections open as a real server does."""

    protocol_version = "HTTP/1.1"

    def log(self, *_arguments):
        pass


def main():
    application = DomainDispatcherApplication(create_backend_app)
    lock = threading.Lock()

    def one_at_a_time(environ, start_response):
        # The body first: a client that is slow, or gone, must hold up nobody else.
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if "--without-conditions" in sys.argv:
            environ.pop("HTTP_IF_NONE_MATCH", None)
            environ.pop("HTTP_IF_MATCH", None)
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
        with lock:
            return list(application(environ, start_response))

    server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True, request_handler=Quiet)
    print(server.port, flush=True)
    # Ends with whoever started it, however that ends.
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    server.serve_forever()


main()
