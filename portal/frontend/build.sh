#!/bin/sh
# Rebuilds what the portal serves from npm packages: the CSS, the vendored scripts and the fonts.
# The results are committed, so only someone who changes the look needs node; run as `sh portal/frontend/build.sh`.
# `--watch` keeps rebuilding the CSS while you edit templates.
set -eu
cd "$(dirname "$0")"
static=../../static
# Not `npm ci`: it insists on the binaries of every platform being in the lock file.
npm install --no-audit --no-fund --ignore-scripts --no-save --loglevel=error

vendor() { # vendor FILE... into FOLDER (last argument), without source-map pointers: the manifest storage follows them
    for folder in "$@"; do :; done
    mkdir -p "$static/vendor/$folder"
    while [ "$#" -gt 1 ]; do
        case "$1" in
            *.js) grep -v '^//# sourceMappingURL=' "node_modules/$1" > "$static/vendor/$folder/$(basename "$1")" ;;
            *LICENSE*) cp "node_modules/$1" "$static/vendor/$folder/LICENSE.txt" ;;
            *) cp "node_modules/$1" "$static/vendor/$folder/" ;;
        esac
        shift
    done
}

vendor lucide-static/LICENSE lucide
vendor htmx.org/dist/htmx.min.js htmx.org/LICENSE htmx
vendor chart.js/dist/chart.umd.min.js chart.js/LICENSE.md chartjs
vendor chartjs-plugin-annotation/dist/chartjs-plugin-annotation.min.js chartjs-plugin-annotation/LICENSE.md chartjs-annotation
for face in sans:400 sans:500 sans:600 serif:500 mono:400; do
    family=ibm-plex-${face%:*} weight=${face#*:}
    vendor "@fontsource/$family/files/$family-latin-$weight-normal.woff2" \
        "@fontsource/$family/files/$family-latin-ext-$weight-normal.woff2" "@fontsource/$family/LICENSE" "$family"
done

node icons.mjs "$static/portal/icons.svg"
npx tailwindcss --input portal.css --output "$static/portal/portal.css" --minify "$@"
