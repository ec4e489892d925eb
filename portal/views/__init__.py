"""The portal's pages: each parses a request, asks selectors or calls a service, and renders."""
