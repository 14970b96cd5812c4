"""The spectrum monitor inside other libraries, one module each; docs/integrations.md describes them."""
