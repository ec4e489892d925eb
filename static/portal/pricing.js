// Sliders of the pricing page. Without a script its number fields and its button do the same.
(function () {
    "use strict";

    function stopsOf(slider) {
        return slider.dataset.stops.split(" ");
    }

    function say(slider, value) {
        slider.setAttribute("aria-valuetext", `${Number(value).toLocaleString("en")} ${slider.dataset.unit}`);
    }

    function follow(slider, field) {
        const wanted = Number(field.value) || 0;
        const stops = stopsOf(slider).map(Number);
        let nearest = 0;
        stops.forEach((stop, position) => {
            if (Math.abs(stop - wanted) < Math.abs(stops[nearest] - wanted)) {
                nearest = position;
            }
        });
        slider.value = String(nearest);
        say(slider, field.value || "0");
    }

    for (const slider of document.querySelectorAll("[data-slider-of]")) {
        const field = document.getElementById(slider.dataset.sliderOf);
        slider.hidden = false;
        say(slider, field.value || "0");
        slider.addEventListener("input", (event) => {
            field.value = stopsOf(slider)[Number(slider.value)];
            say(slider, field.value);
            // The form listens to the fields: a slider has no name, and so nothing to send.
            event.stopPropagation();
            field.dispatchEvent(new Event("input", { bubbles: true }));
        });
        field.addEventListener("input", (event) => {
            if (event.isTrusted) {
                follow(slider, field);
            }
        });
    }
})();
