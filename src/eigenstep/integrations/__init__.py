"""The spectrum monitor inside other libraries: one module a library, told in docs/integrations.md."""
