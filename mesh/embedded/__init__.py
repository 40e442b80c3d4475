"""PostgreSQL, Valkey and Envoy of one machine, as child processes that the caller owns.

The programs come from wheels; the helpers that those wheels bring are not used, because as root
they create users and open every folder up to `/`. Each server has the same five verbs:

    start()    returns when the server answers, raises ServerError with its last words if it cannot
    running    whether the process lives
    answers()  whether it takes connections now
    stop()     an orderly end, by force when it takes too long
    kill()     SIGKILL, for tests of what survives it

A server runs in a session of its own, so a terminal's Ctrl-C reaches the caller alone, which ends
the servers in its order. If the caller itself is killed its servers live on; the next start() over
the same folder ends them first. A folder is used by one caller at a time: the caller sees to that.
"""

from mesh.embedded.child import ServerError
from mesh.embedded.envoy import Envoy
from mesh.embedded.postgres import Postgres
from mesh.embedded.valkey import Valkey

__all__ = ["Envoy", "Postgres", "ServerError", "Valkey"]
