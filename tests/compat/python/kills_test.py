"""The comparison after a kill finds each way of being wrong."""

import unittest

from kills import compare

WANT = [b"a", b"b", b"c"]


class Compare(unittest.TestCase):
    def check(self, found, said=None):
        if said is None:
            return compare("test", 0, found, WANT)
        with self.assertRaisesRegex(AssertionError, said):
            compare("test", 0, found, WANT)

    def test_each_way_of_being_wrong(self):
        self.check([(0, b"a"), (1, b"b"), (2, b"c")])
        self.check([(0, b"a"), (1, b"b")], "1 lost, 0 twice")
        self.check([(0, b"a"), (1, b"b"), (2, b"b"), (3, b"c")], "0 lost, 1 twice")
        self.check([(0, b"b"), (1, b"a"), (2, b"c")], "0 lost, 0 twice; first difference at 0")
        self.check([(0, b"a"), (1, b"b"), (3, b"c")], "a gap")


if __name__ == "__main__":
    unittest.main()
