#!/bin/sh
# Regenerates the generated sample documents beside this folder. Needs Python 3.11+ and, on Debian 12:
#   apt-get install -y python3-venv libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-lato fonts-ebgaramond
set -eu
cd "$(dirname "$0")"
export SOURCE_DATE_EPOCH=1792000000 PYTHONDONTWRITEBYTECODE=1
venv=${VENV:-${TMPDIR:-/tmp}/innovation-samples-venv}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt
"$venv/bin/python" make_trend_report.py
"$venv/bin/python" make_case_study.py
"$venv/bin/python" make_briefing.py
"$venv/bin/python" make_borrowed_kitchen.py
(cd .. && sha256sum trend-report.pdf case-study.pdf case-study.docx briefing.pptx borrowed-kitchen.*)
