"""The tests are one package, so that tests/subscribers is not taken for the package that it tests."""
