// Writes static/portal/icons.svg: the Lucide icons (ISC licence) that the templates name in <c-icon name="…" />.
import { readFileSync, writeFileSync } from "node:fs";

const names = `activity arrow-right ban bell book-open building-2 calendar-clock chart-column check chevron-left chevron-right chevrons-up-down
circle-check circle-x copy credit-card download external-link eye fingerprint flag gauge inbox info key-round log-out mail menu
monitor moon plus receipt-text refresh-cw rotate-cw scroll-text search settings-2 shield-check smartphone sun terminal trash-2
triangle-alert user-plus users webhook x`.split(/\s+/);

const symbols = names.map((name) => {
    const drawing = readFileSync(`node_modules/lucide-static/icons/${name}.svg`, "utf8").replace(/^[\s\S]*?<svg[^>]*>/, "").replace("</svg>", "");
    return `<symbol id="${name}" viewBox="0 0 24 24">${drawing.trim().replace(/\n\s*/g, "")}</symbol>`;
});
writeFileSync(process.argv[2], `<svg xmlns="http://www.w3.org/2000/svg"><!-- Lucide, ISC licence: see ../vendor/lucide/LICENSE.txt -->\n${symbols.join("\n")}\n</svg>\n`);
