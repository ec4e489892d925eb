// Runs in the head, before anything is painted, so that a kept choice of theme never flashes.
(function () {
    "use strict";
    const root = document.documentElement;
    root.classList.add("has-script");
    try {
        const kept = window.localStorage.getItem("theme");
        if (kept === "light" || kept === "dark") {
            root.dataset.theme = kept;
        }
    } catch {
        // Storage is forbidden in this browser: the system's preference holds.
    }
})();
