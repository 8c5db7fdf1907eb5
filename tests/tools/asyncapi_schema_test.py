#!/usr/bin/env python3
"""deploy/kafka/asyncapi.json against the JSON schema of AsyncAPI 3.0, as its project publishes it."""

import copy
import json
import os
import unittest

import jsonschema

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return json.load(file)


class AsyncApiSchemaTest(unittest.TestCase):
    """The document, and the same with a fault in it."""

    @classmethod
    def setUpClass(cls):
        cls.validator = jsonschema.Draft7Validator(read("build/tools/asyncapi/3.0.0.json"))
        cls.document = read("deploy/kafka/asyncapi.json")

    def faults(self, document):
        return [f"{list(error.absolute_path)}: {error.message[:200]}" for error in self.validator.iter_errors(document)]

    def test_the_document_is_one_of_asyncapi_3(self):
        self.assertEqual([], self.faults(self.document))

    def test_a_fault_in_it_is_seen(self):
        def operation(document):
            return document["operations"]["repairs-reads-repairs-v1"]

        def without_action(document):
            del operation(document)["action"]

        def with_unknown_action(document):
            operation(document)["action"] = "delete"

        def with_unknown_field(document):
            document["channels"]["log-v1"]["partitions"] = 3

        def with_bad_binding(document):
            document["channels"]["log-v1"]["bindings"]["kafka"]["partitions"] = "three"

        for plant in (without_action, with_unknown_action, with_unknown_field, with_bad_binding):
            with self.subTest(plant=plant.__name__):
                document = copy.deepcopy(self.document)
                plant(document)
                self.assertNotEqual([], self.faults(document))


if __name__ == "__main__":
    unittest.main()
