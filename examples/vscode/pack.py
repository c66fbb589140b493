"""Packs this folder as an extension that VS Code can install: `python pack.py` writes a .vsix."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

HERE = Path(__file__).resolve().parent

TYPES = """\
<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
  <Default Extension=".json" ContentType="application/json"/>
  <Default Extension=".vsixmanifest" ContentType="text/xml"/>
</Types>
"""

MANIFEST = """\
<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
  <Metadata>
    <Identity Language="en-US" Id={name} Version={version} Publisher={publisher}/>
    <DisplayName>{shown}</DisplayName>
    <Description>{description}</Description>
    <Properties>
      <Property Id="Microsoft.VisualStudio.Code.Engine" Value={engine}/>
    </Properties>
  </Metadata>
  <Installation>
    <InstallationTarget Id="Microsoft.VisualStudio.Code"/>
  </Installation>
  <Dependencies/>
  <Assets>
    <Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json"
           Addressable="true"/>
  </Assets>
</PackageManifest>
"""


def pack(folder: Path) -> Path:
    """Write the extension into a folder, and return its file."""
    package = (HERE / "package.json").read_text(encoding="utf-8")
    about = json.loads(package)
    manifest = MANIFEST.format(
        **{key: quoteattr(about[key]) for key in ("name", "version", "publisher")},
        engine=quoteattr(about["engines"]["vscode"]),
        shown=escape(about["displayName"]), description=escape(about["description"]),
    )  # fmt: skip
    made = folder / f"{about['name']}-{about['version']}.vsix"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("[Content_Types].xml", TYPES)
        packed.writestr("extension.vsixmanifest", manifest)
        packed.writestr("extension/package.json", package)
    return made


if __name__ == "__main__":
    sys.stdout.write(f"{pack(Path.cwd())}\n")
