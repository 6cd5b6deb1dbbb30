"""Stands before a package of that name, so that nobody has it.

jsonschema imports it where it finds it, and Ray imports jsonschema in each of its processes; the
package then makes a grammar for two seconds. It came with what checks OpenAPI documents.
"""

raise ImportError("It is left out where Ray is tested.")
