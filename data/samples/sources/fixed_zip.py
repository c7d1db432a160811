"""Rewrite a ZIP (DOCX, PPTX) with fixed times and order, so that reruns give the same bytes."""
import os
import time
import zipfile

EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "1792000000"))


def fix(path):
    with zipfile.ZipFile(path) as z:
        parts = [(i.filename, z.read(i)) for i in z.infolist()]
    parts.sort(key=lambda p: (p[0] != "[Content_Types].xml", p[0]))
    stamp = time.gmtime(EPOCH)[:6]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        for name, data in parts:
            info = zipfile.ZipInfo(name, stamp)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            info.create_system = 3
            z.writestr(info, data)
