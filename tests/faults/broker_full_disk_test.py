"""A broker whose disk fills up, and empties again: nothing that is recorded waits for it, and nothing is lost."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from harness import BusTest  # noqa: E402
from small_disk import SmallDisk, main_that_mounts  # noqa: E402

DISK_MIB = 128
# Less than what is recorded afterwards takes there.
LEFT_MIB = 0.25
CONTACTS_MAX = 2000


class BrokerFullDiskTest(BusTest):

    @classmethod
    def prepare_broker_folder(cls):
        cls.disk = SmallDisk(cls.broker_folder, DISK_MIB)
        cls.addClassCleanup(cls.disk.unmount)

    def broker_runs(self):
        try:
            self.broker("status")
        except AssertionError:
            return False
        return True

    def record_until_it_hurts(self):
        """Every one must be taken. Returns how many, once the broker has given up."""
        for number in range(CONTACTS_MAX):
            self.record(self.amy, "R1", f"contact {number} " + "x" * 1900)
            if number % 10 == 0 and not self.broker_runs():
                return number + 1
        return self.fail(f"{CONTACTS_MAX} contacts and the broker still runs with {self.disk.free_mib()} MiB free")

    # Design, section 8: the log is the outbox.
    def test_what_is_recorded_meanwhile_is_published_once_when_there_is_room_again(self):
        self.make_topics("--kafka", self.address, "--without-acls")
        self.start_server("--kafka", self.address, "--kafka-prefix", self.prefix)
        self.amy = self.token("contact-officer", "amy")
        self.register(self.amy, "R1")
        self.wait_until_published()

        self.disk.leave(LEFT_MIB)
        recorded = self.record_until_it_hurts()
        self.record(self.amy, "R1", "after the broker")
        self.assertGreater(self.gauge("records_relay_lag_events"), 0)
        print(f"{recorded} contacts until the broker ended, {self.disk.free_mib():.2f} MiB free, lag "
              f"{self.gauge('records_relay_lag_events'):.0f} events", flush=True)

        self.disk.leave(DISK_MIB / 2)
        self.broker("start")
        self.wait_until_published()
        events = int(self.gauge('records_log_events{ledger="events"}'))
        self.wait_until_compared(events)
        positions = self.kcat("%p %h\n").splitlines()
        self.assertEqual(len(positions), events)
        self.assertEqual(len(set(positions)), events)


if __name__ == "__main__":
    main_that_mounts()
