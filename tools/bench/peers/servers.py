"""PostgreSQL with message-db, and NATS JetStream: started on loopback in a folder of their own, and ended with it."""

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
TOOLS = os.path.join(ROOT, "build", "tools")
POSTGRES_BIN = "/usr/lib/postgresql/15/bin"
MESSAGE_DB = os.path.join(TOOLS, "message-db", "node_modules", "@eventide", "message-db", "database")
NATS_SERVER = os.path.join(TOOLS, "bin", "nats-server")
NATS_LOAD = os.path.join(TOOLS, "bin", "nats_load")
PATIENCE_SECONDS = 60


class MissingPeer(Exception):
    """A peer is not installed."""


def check_installed():
    needed = [os.path.join(POSTGRES_BIN, "initdb"), os.path.join(MESSAGE_DB, "install.sh"), NATS_SERVER, NATS_LOAD]
    missing = [path for path in needed if not os.path.exists(path)]
    if missing:
        raise MissingPeer(f"{', '.join(missing)} missing: run tools/setup --peers")


def as_postgres():
    """PostgreSQL refuses to run as root; then its own user runs it."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("postgres")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() >= deadline:
            raise RuntimeError(f"waited in vain for {what}")
        time.sleep(0.05)


@contextlib.contextmanager
def running(command, log_path, stop=signal.SIGTERM):
    """A program of its own process group that ends with the block, however that ends."""
    with open(log_path, "ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# Above the defaults, in PostgreSQL's favour: no checkpoint in the midst of a run. Durability is the default.
POSTGRES_SETTINGS = {
    "listen_addresses": "", "max_connections": "200", "shared_buffers": "512MB", "max_wal_size": "4GB",
    "checkpoint_timeout": "30min", "synchronous_commit": "on", "fsync": "on",
}


@contextlib.contextmanager
def postgresql(folder):
    """Gives the connection strings of a database with a plain table and of one with message-db."""
    os.makedirs(folder)
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
    data = os.path.join(folder, "data")
    quiet = {"stdout": subprocess.DEVNULL, "check": True, "cwd": folder}
    subprocess.run([*as_postgres(), os.path.join(POSTGRES_BIN, "initdb"), "-D", data, "-U", "postgres", "-A", "trust",
                    "-E", "UTF8", "--no-locale", "--no-instructions"], **quiet)
    command = [*as_postgres(), os.path.join(POSTGRES_BIN, "postgres"), "-D", data, "-k", folder]
    for name, value in POSTGRES_SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    # SIGINT: PostgreSQL's fast shutdown, which does not wait for clients.
    with running(command, os.path.join(folder, "..", "postgresql.log"), signal.SIGINT):
        where = {"PGHOST": folder, "PGUSER": "postgres"}
        environment = {**os.environ, **where, "PATH": f"{POSTGRES_BIN}:{os.environ['PATH']}"}
        wait_until(lambda: subprocess.run([os.path.join(POSTGRES_BIN, "pg_isready"), "-q"], env=environment,
                                          check=False).returncode == 0, "PostgreSQL")
        subprocess.run([os.path.join(POSTGRES_BIN, "createdb"), "bench"], env=environment, **quiet)
        subprocess.run(["bash", os.path.join(MESSAGE_DB, "install.sh")], env=environment, **quiet)
        prefix = f"host={folder} user=postgres dbname="
        yield prefix + "bench", f"{prefix}message_store options='-c search_path=message_store,public'"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def nats(folder):
    """Gives the address of a JetStream server that syncs each message before it acknowledges it."""
    os.makedirs(folder)
    port = free_port()
    config = os.path.join(folder, "nats.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f'listen: "127.0.0.1:{port}"\n'
                   f'jetstream {{ store_dir: "{folder}/store", sync_interval: always }}\n')
    with running([NATS_SERVER, "-c", config], os.path.join(folder, "..", "nats.log")):
        wait_until(lambda: accepts(port), "NATS")
        yield f"nats://127.0.0.1:{port}"
