"""The tables of the exports app."""

from accounts.exports.models.export import ExportChunk, ExportFile, TenantExport

__all__ = ["ExportChunk", "ExportFile", "TenantExport"]
