"""Starts that recordsd must refuse: by name, with exit code 1, changing nothing, and mended when the cause is."""

import hashlib
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from harness import PATIENCE_SECONDS, Server, SystemTest, main, read  # noqa: E402


def digest_of(folder):
    """Digest of all files by name and content, but for those that hold nothing."""
    digest = hashlib.sha256()
    for path, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            content = read(os.path.join(path, name))
            if content:
                digest.update(repr((os.path.relpath(path, folder), name, len(content))).encode() + content)
    return digest.hexdigest()


class RefusedStartTest(SystemTest):

    def setUp(self):
        super().setUp()
        server = self.start_server("--partitions", "2")
        self.amy = self.token("contact-officer", "amy")
        self.register(self.amy, "R1")
        self.record(self.amy, "R1", "before")
        self.assertEqual(server.stop(), 0)
        self.key = os.path.join(server.data, "master.key")

    def refuse(self, *words, part="."):
        """A start must end with 1, say each of the words, and change nothing of that part of the data folder."""
        server = self.server
        folder = os.path.join(server.data, part)
        before, said_before = digest_of(folder), len(server.log())
        server.spawn()
        self.assertEqual(server.process.wait(PATIENCE_SECONDS), 1, server.log())
        said = server.log()[said_before:]
        for word in ("not_started", *words):
            self.assertIn(word, said)
        self.assertEqual(digest_of(folder), before)

    def assert_whole(self):
        self.server.start()
        self.assertEqual(self.summaries(self.amy, "R1"), ["before"])

    def test_a_lost_master_key(self):
        os.rename(self.key, self.path("kept"))
        self.refuse("the master key", "is missing", "restore the key")
        self.assertFalse(os.path.exists(self.key), "a new key was made, which opens nothing")
        os.rename(self.path("kept"), self.key)
        self.assert_whole()

    def test_a_master_key_that_others_may_read(self):
        for mode in (0o640, 0o604, 0o660):
            os.chmod(self.key, mode)
            self.refuse("others may read the master key", "chmod 600")
        os.chmod(self.key, 0o600)
        self.assert_whole()

    def test_the_master_key_of_another_store(self):
        os.mkdir(self.path("other"))
        other = Server(self.path("other"))
        self.addCleanup(other.end)
        self.assertEqual(other.start().stop(), 0)
        os.rename(self.key, self.path("kept"))
        shutil.copy2(os.path.join(other.data, "master.key"), self.key)
        self.refuse("is not that of this key store", "Restore the key")
        os.replace(self.path("kept"), self.key)
        self.assert_whole()

    def test_a_master_key_that_is_cut(self):
        whole = read(self.key)
        os.truncate(self.key, len(whole) // 2)
        self.refuse("the master key file is damaged", "restore it")
        with open(self.key, "wb") as file:
            file.write(whole)
        self.assert_whole()

    def test_a_second_server_on_one_store(self):
        first = self.server.start()
        link = self.path("link")
        os.symlink(first.data, link)
        for data in (first.data, link):
            second = self.make_server()
            second.data = data
            second.spawn()
            self.assertEqual(second.process.wait(PATIENCE_SECONDS), 1, second.log())
            self.assertIn("stop the other process", second.log())
        # The first neither noticed nor lost anything.
        self.record(self.amy, "R1", "after")
        self.assertEqual(first.stop(), 0)
        self.server.start()
        self.assertEqual(self.summaries(self.amy, "R1"), ["after", "before"])

    def test_a_damaged_log_says_what_to_do(self):
        folder = os.path.join(self.server.data, "log")
        tables = [name for name in os.listdir(folder) if name.endswith(".sst")]
        os.rename(os.path.join(folder, tables[0]), self.path("kept"))
        # The key store has been opened by then, which writes files of its own anew.
        self.refuse("the folder log is damaged", "Nothing was changed", "Restore the folder", "backup", part="log")
        os.rename(self.path("kept"), os.path.join(folder, tables[0]))
        self.assert_whole()


if __name__ == "__main__":
    main()
