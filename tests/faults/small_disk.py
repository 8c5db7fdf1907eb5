"""A disk of a few MiB, that a test fills and empties: a real tmpfs.

Needs to mount: as root, or else in a user namespace of its own. Fails where neither works."""

import os
import subprocess
import sys

from harness import main

MIB = 1 << 20
INSIDE = "RECORDS_IN_NAMESPACE"


class SmallDisk:
    """Mounted on a folder that is there, until unmount()."""

    def __init__(self, folder, mib):
        self.folder = folder
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "tmpfs", folder], check=True)

    def unmount(self):
        subprocess.run(["umount", "--lazy", self.folder], check=False)

    def free_mib(self):
        room = os.statvfs(self.folder)
        return room.f_bavail * room.f_frsize / MIB

    def leave(self, mib):
        """Fills the disk until so much is free, or gives room back."""
        path = os.path.join(self.folder, "ballast")
        ballast = os.path.getsize(path) if os.path.exists(path) else 0
        ballast += int((self.free_mib() - mib) * MIB)
        with open(path, "ab") as file:
            os.truncate(path, 0)
            if ballast > 0:
                os.posix_fallocate(file.fileno(), 0, ballast)


def main_that_mounts():
    """Runs the tests of the calling file where they may mount."""
    if os.geteuid() != 0:
        if INSIDE in os.environ:
            sys.exit("cannot mount a tmpfs, neither as this user nor in a user namespace: run as root")
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--mount", sys.executable, *sys.argv])
    main()
