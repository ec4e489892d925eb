"""The portal's pages: each parses a request, reads by selectors or calls a service, and renders."""
