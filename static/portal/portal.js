// Behaviour of the portal's components. Every page works without it; this makes it quicker.
(function () {
    "use strict";

    function isDark() {
        const kept = document.documentElement.dataset.theme;
        return kept ? kept === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
    }

    function toggleTheme() {
        const next = isDark() ? "light" : "dark";
        document.documentElement.dataset.theme = next;
        try {
            window.localStorage.setItem("theme", next);
        } catch {
            // The choice then lasts until the next page.
        }
        document.dispatchEvent(new CustomEvent("theme:changed"));
    }

    function announce(text) {
        const region = document.getElementById("announcer");
        if (region) {
            region.textContent = text;
        }
    }

    async function copy(button) {
        const source = document.getElementById(button.dataset.copy);
        const label = button.querySelector("[data-copy-label]");
        try {
            await navigator.clipboard.writeText(source.textContent.trim());
        } catch {
            const range = document.createRange();
            range.selectNodeContents(source);
            const selection = window.getSelection();
            selection.removeAllRanges();
            selection.addRange(range);
            announce("Selected. Press Ctrl+C to copy.");
            return;
        }
        announce("Copied");
        if (label) {
            const before = label.textContent;
            label.textContent = "Copied";
            window.setTimeout(() => { label.textContent = before; }, 1600);
        }
    }

    function showTab(tab) {
        const list = tab.closest("[role=tablist]");
        for (const other of list.querySelectorAll("[role=tab]")) {
            const isChosen = other === tab;
            other.setAttribute("aria-selected", String(isChosen));
            other.tabIndex = isChosen ? 0 : -1;
            document.getElementById(other.getAttribute("aria-controls")).hidden = !isChosen;
        }
    }

    // Without a script the panels stand below one another under their headings; with it they become tabs.
    function makeTabs(root) {
        for (const group of root.querySelectorAll("[data-tabs]:not([data-tabs-ready])")) {
            group.dataset.tabsReady = "";
            const list = group.querySelector("[role=tablist]");
            list.hidden = false;
            for (const heading of group.querySelectorAll("[data-tab-heading]")) {
                heading.hidden = true;
            }
            showTab(list.querySelector("[role=tab]"));
        }
    }

    function moveTab(event) {
        const tabs = [...event.target.closest("[role=tablist]").querySelectorAll("[role=tab]")];
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (step) {
            const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
            showTab(next);
            next.focus();
        }
    }

    document.addEventListener("click", (event) => {
        const target = event.target.closest("[data-theme-toggle], [data-copy], [role=tab], [data-close-dialog]");
        if (!target) {
            for (const menu of document.querySelectorAll("details.switcher[open]")) {
                if (!menu.contains(event.target)) {
                    menu.open = false;
                }
            }
            return;
        }
        if (target.matches("[data-theme-toggle]")) {
            toggleTheme();
        } else if (target.matches("[data-copy]")) {
            copy(target);
        } else if (target.matches("[role=tab]")) {
            showTab(target);
        } else {
            const dialog = target.closest("dialog");
            if (dialog) {
                event.preventDefault();
                dialog.close();
            }
        }
    });

    document.addEventListener("keydown", (event) => {
        if (event.target.matches("[role=tab]")) {
            moveTab(event);
        }
        if (event.key === "Escape") {
            for (const menu of document.querySelectorAll("details.switcher[open]")) {
                menu.open = false;
                menu.querySelector("summary").focus();
            }
        }
    });

    function openSearch() {
        const dialog = document.getElementById("search");
        if (!dialog || dialog.open || document.querySelector("dialog[open]")) {
            return false;
        }
        dialog.showModal();
        document.getElementById("search-text").select();
        return true;
    }

    // Arrows move between the field and the results; Enter in the field opens the first result of what it says.
    function moveInSearch(event, dialog) {
        const field = document.getElementById("search-text");
        const links = [...dialog.querySelectorAll(".search-results a")];
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (event.key === "Escape") {
            event.preventDefault(); // which would only empty the field
            dialog.close();
        } else if (step) {
            const places = [field, ...links];
            const next = Math.max(places.indexOf(document.activeElement), 0) + step;
            event.preventDefault();
            places[(next + places.length) % places.length].focus();
        } else if (event.key === "Enter" && event.target === field) {
            const found = dialog.querySelector(".search-results");
            const first = dialog.querySelector(".search-results li a");
            if (first && found.dataset.searchText === field.value.trim()) {
                event.preventDefault();
                first.click();
            }
        }
    }

    document.addEventListener("keydown", (event) => {
        const dialog = document.getElementById("search");
        if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
            if (openSearch()) {
                event.preventDefault();
            }
        } else if (dialog && dialog.open) {
            moveInSearch(event, dialog);
        }
    });

    // A click beside the search closes it.
    document.addEventListener("click", (event) => {
        if (event.target.id === "search" && event.target.open) {
            event.target.close();
        }
        if (event.target.closest("[data-search]") && !event.ctrlKey && !event.metaKey && openSearch()) {
            event.preventDefault();
        }
    });

    // A filter form with data-submit-on-change sends itself; its button stays for those without a script.
    document.addEventListener("change", (event) => {
        const form = event.target.closest("form[data-submit-on-change]");
        if (form) {
            form.requestSubmit();
        }
    });

    document.addEventListener("htmx:afterSwap", (event) => {
        if (event.detail.target.id === "dialog-content") {
            document.getElementById("dialog").showModal();
        }
        makeTabs(event.detail.target);
    });

    // A button with data-wait works after so many seconds, and counts them.
    for (const button of document.querySelectorAll("button[data-wait]")) {
        const label = button.textContent;
        const end = Date.now() + Number(button.dataset.wait) * 1000;
        const tick = () => {
            const left = Math.ceil((end - Date.now()) / 1000);
            button.disabled = left > 0;
            button.textContent = left > 0 ? `${label} (${left})` : label;
            if (left > 0) {
                window.setTimeout(tick, 500);
            }
        };
        tick();
    }

    // A new organisation begins in its maker's time zone; the settings change it.
    for (const input of document.querySelectorAll("input[data-browser-time-zone]")) {
        input.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
    }

    makeTabs(document);
})();
