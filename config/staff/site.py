"""The staff admin's site: unfold's, which every ModelAdmin registers with."""

from unfold.sites import UnfoldAdminSite


class StaffAdminSite(UnfoldAdminSite):
    """Where staff run the business."""

    site_title = "Countinghouse"
    site_header = "Countinghouse"
    index_title = "Dashboard"
