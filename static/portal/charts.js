// Draws every <canvas data-chart="id"> from the JSON beside it. The page shows the same numbers in a table.
// Shape: {kind, labels, unit, unit_of_one, is_stacked, series: [{name, values, is_forecast, is_before}], limit: {value, label} | null, lines: [the same],
// borders: [{index, label}], links: [address of each label]}; quantities are decimal strings and become floating point here, for drawing only.
(function () {
    "use strict";
    const { Chart } = window;
    if (!Chart) {
        return;
    }

    function token(name) {
        return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    }

    function seriesColour(index) {
        return token(`--series-${(index % 8) + 1}`);
    }

    const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
    // As `short_number_text` in accounts/domain/numbers.py.
    const exact = new Intl.NumberFormat("en", { maximumFractionDigits: 3, maximumSignificantDigits: 4, roundingPriority: "morePrecision" });

    function datasets(data) {
        return data.series.map((series, index) => {
            const colour = series.is_before ? token("--line-strong") : seriesColour(series.is_forecast ? 0 : index);
            return {
                stack: series.is_before ? "before" : "now",
                label: series.name,
                data: series.values.map((value) => (value === null ? null : Number(value))),
                backgroundColor: series.is_forecast ? `${colour}55` : data.kind === "line" ? `${colour}22` : colour,
                borderColor: colour,
                borderWidth: data.kind === "line" ? 2 : 0,
                borderDash: series.is_forecast ? [4, 4] : [],
                fill: data.kind === "line" && !series.is_forecast && data.series.length === 1,
                pointRadius: 0,
                pointHitRadius: 12,
                tension: 0,
                borderRadius: 2,
                maxBarThickness: 34,
                categoryPercentage: 0.86,
                barPercentage: 0.92,
            };
        });
    }

    // A billing period begins between the label before and this one.
    function borderLine(border) {
        return {
            type: "line",
            scaleID: "x",
            value: border.index - 0.5,
            borderColor: token("--faint"),
            borderWidth: 1,
            borderDash: [3, 3],
            label: { display: true, content: border.label, position: "start", backgroundColor: token("--surface"), color: token("--muted"), font: { size: 11 }, padding: 3 },
        };
    }

    function annotations(data) {
        const drawn = {};
        for (const [index, line] of [...(data.limit ? [data.limit] : []), ...(data.lines || [])].entries()) {
            drawn[`line${index}`] = limitLine(line);
        }
        for (const border of data.borders || []) {
            drawn[`border${border.index}`] = borderLine(border);
        }
        return drawn;
    }

    function limitLine(limit) {
        return {
            type: "line",
            yMin: Number(limit.value),
            yMax: Number(limit.value),
            borderColor: token("--danger"),
            borderWidth: 1.5,
            borderDash: [6, 4],
            label: {
                display: true,
                content: limit.label,
                position: "start",
                backgroundColor: token("--surface"),
                color: token("--danger"),
                font: { size: 11 },
                padding: 3,
                yAdjust: -9,
            },
        };
    }

    // Where everything is whole, no tick stands between two numbers.
    function isWhole(data) {
        return data.series.every((series) => series.values.every((value) => value === null || Number.isInteger(Number(value))));
    }

    function options(data) {
        const text = token("--faint");
        const line = token("--line");
        return {
            responsive: true,
            maintainAspectRatio: false,
            animation: window.matchMedia("(prefers-reduced-motion: reduce)").matches ? false : { duration: 350 },
            interaction: { mode: "index", intersect: false },
            onClick: (event, elements) => {
                const address = elements.length && (data.links || [])[elements[0].index];
                if (address) {
                    window.location.assign(address);
                }
            },
            onHover: (event, elements) => {
                event.native.target.style.cursor = elements.length && (data.links || []).length ? "pointer" : "default";
            },
            scales: {
                x: { stacked: data.is_stacked, grid: { display: false }, border: { color: line }, ticks: { color: text, maxRotation: 0, autoSkipPadding: 18 } },
                y: {
                    stacked: data.is_stacked,
                    beginAtZero: true,
                    border: { display: false },
                    grid: { color: line },
                    ticks: { color: text, maxTicksLimit: 6, precision: isWhole(data) ? 0 : undefined, callback: (value) => compact.format(value) },
                },
            },
            plugins: {
                legend: { display: data.series.length > 1, position: "bottom", align: "start", labels: { color: token("--muted"), boxWidth: 10, boxHeight: 10, padding: 14 } },
                annotation: { annotations: annotations(data) },
                tooltip: {
                    backgroundColor: token("--ink"),
                    titleColor: token("--surface"),
                    bodyColor: token("--surface"),
                    padding: 10,
                    cornerRadius: 6,
                    boxPadding: 4,
                    filter: (item) => item.raw !== null,
                    callbacks: { label: (item) => `${item.dataset.label}: ${exact.format(item.raw)} ${item.raw === 1 ? data.unit_of_one : data.unit}` },
                },
            },
        };
    }

    function draw(canvas) {
        const data = JSON.parse(document.getElementById(canvas.dataset.chart).textContent);
        const before = Chart.getChart(canvas);
        if (before) {
            before.destroy();
        }
        Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
        new Chart(canvas, { type: data.kind, data: { labels: data.labels, datasets: datasets(data) }, options: options(data) });
    }

    function drawAll(root) {
        for (const canvas of root.querySelectorAll("canvas[data-chart]")) {
            draw(canvas);
        }
    }

    drawAll(document);
    document.addEventListener("htmx:afterSwap", (event) => drawAll(event.detail.target));
    document.addEventListener("theme:changed", () => drawAll(document));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));
})();
