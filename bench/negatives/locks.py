"""Lock files: names of services and of credentials beside digests of every length."""

# ruff: noqa: E501  # rows are as wide as in the files they are for

from __future__ import annotations

from negatives.pools import sheet

# Names that packages really have: they end in the words of the trade.
NAME = "@word-@svc-@kebabnoun"

sheet(
    "npm lock",
    "package-lock.json",
    (
        """    "node_modules/@svc#1-@kebabnoun#1": {
      "version": "@version#1",
      "resolved": "https://packages.example.org/@svc#1-@kebabnoun#1/-/@svc#1-@version#1.tgz",
      "integrity": "sha512-@b64:64",
      "license": "MIT",
      "engines": {"node": ">=@n:20"}
    },""",
        """    "node_modules/@word#1/node_modules/@svc#1": {
      "version": "@version",
      "resolved": "https://packages.example.org/@svc#1/-/@svc#1.tgz#@hex:40",
      "integrity": "sha1-@b64:20",
      "dev": true
    },""",
    ),
    head='{\n  "name": "@kebab",\n  "lockfileVersion": 3,\n  "packages": {\n',
    tail='\n    "": {}\n  }\n}',
    lines=5000,
)

sheet(
    "yarn lock",
    "yarn.lock",
    (
        """@svc#1-@kebabnoun#1@^@version:
  version "@version#1"
  resolved "https://packages.example.org/@svc#1-@kebabnoun#1/-/@svc#1-@version#1.tgz#@hex:40"
  integrity sha512-@b64:64
  dependencies:
    "@types/@svc#1" "^@version"
    @svc-auth-token "~@version"
""",
        """"@word#1@npm:^@version":
  version: @version#1
  resolution: "@word#1@npm:@version#1"
  dependencies:
    @svc-@kebabnoun: "npm:^@version"
  checksum: 10c0/@hex:128
  languageName: node
  linkType: hard
""",
    ),
    head="# yarn lockfile v1\n\n",
    lines=5000,
)

sheet(
    "pnpm lock",
    "pnpm-lock.yaml",
    (
        """  /@svc#1-@kebabnoun@@version:
    resolution: {integrity: sha512-@b64:64}
    engines: {node: '>=@n:20'}
    dependencies:
      @svc#1: @version
    dev: false
""",
        """  '@svc#1/@kebabnoun@@version':
    resolution: {tarball: https://codeload.example.org/@svc#1/tar.gz/@hex:40}
    name: '@svc#1'
""",
    ),
    head="lockfileVersion: '9.0'\n\npackages:\n\n",
)

sheet(
    "poetry lock",
    "poetry.lock",
    (
        """[[package]]
name = "@svc#1-@kebabnoun"
version = "@version#1"
description = "@text"
optional = false
files = [
    {file = "@svc#1-@version#1-py3-none-any.whl", hash = "sha256:@hex:64"},
    {file = "@svc#1-@version#1.tar.gz", hash = "sha256:@hex:64"},
]
""",
    ),
    tail='\n[metadata]\nlock-version = "2.0"\ncontent-hash = "@hex:64"',
)

sheet(
    "uv lock",
    "uv.lock",
    (
        """[[package]]
name = "@svc#1-@kebabnoun"
version = "@version#1"
source = { registry = "https://packages.example.org/simple" }
sdist = { url = "https://files.example.org/packages/@hex:2/@hex:2/@hex:60/@svc#1-@version#1.tar.gz", hash = "sha256:@hex:64", size = @n }
wheels = [
    { url = "https://files.example.org/packages/@hex:2/@hex:2/@hex:60/@svc#1-@version#1-py3-none-any.whl", hash = "sha256:@hex:64", size = @n },
]
""",
    ),
    head="version = 1\n\n",
)

sheet(
    "pip hashes",
    "requirements.txt",
    (
        """@svc#1-@kebabnoun==@version \\
    --hash=sha256:@hex:64 \\
    --hash=sha256:@hex:64 \\
    --hash=md5:@hex:32""",
        """@svc @ git+https://git.example.org/@svc/@kebab.git@@hex:40""",
    ),
)

sheet(
    "pipfile lock",
    "Pipfile.lock",
    (
        """        "@svc-@kebabnoun": {
            "hashes": [
                "sha256:@hex:64",
                "sha256:@hex:64"
            ],
            "index": "@word",
            "version": "==@version"
        },""",
    ),
    head='{\n    "_meta": {"hash": {"sha256": "@hex:64"}},\n    "default": {\n',
    tail='\n        "_": {}\n    }\n}',
)

sheet(
    "cargo lock",
    "Cargo.lock",
    (
        """[[package]]
name = "@svc-@kebabnoun"
version = "@version"
source = "registry+https://packages.example.org/index"
checksum = "@hex:64"
dependencies = [
 "@svc",
 "secrecy",
]
""",
        """[[package]]
name = "@svc"
version = "@version"
source = "git+https://git.example.org/@svc/@kebab?rev=@hex:7#@hex:40"
""",
    ),
    head="version = 4\n\n",
)

sheet(
    "gem lock",
    "Gemfile.lock",
    (
        "    @svc-@kebabnoun (@version)",
        "      @svc (~> @version)",
        "      jwt (>= @version)",
        "  @svc_@noun (@version) sha256=@hex:64",
        "  revision: @hex:40",
    ),
    head="GIT\n  remote: https://git.example.org/@svc/@kebab.git\n  revision: @hex:40\n\nGEM\n"
    "  specs:\n",
)

sheet(
    "go sum",
    "go.sum",
    (
        "git.example.org/@svc#1/@svc#1-@kebabnoun v@version h1:@b64:32",
        "git.example.org/@svc#1/@svc#1-@kebabnoun v@version/go.mod h1:@b64:32",
        "go.example.org/@svc/@word v0.0.0-20@digits:12-@hex:12/go.mod h1:@b64:32",
    ),
    lines=6000,
)

sheet(
    "composer lock",
    "composer.lock",
    (
        """        {
            "name": "@svc#1/@svc#1-@kebabnoun",
            "version": "@version",
            "source": {
                "type": "git",
                "url": "https://git.example.org/@svc#1/@kebab.git",
                "reference": "@hex:40#1"
            },
            "dist": {
                "type": "zip",
                "url": "https://api.example.org/repos/@svc#1/zipball/@hex:40#1",
                "reference": "@hex:40#1",
                "shasum": "@hex:40"
            }
        },""",
    ),
    head='{\n    "content-hash": "@hex:32",\n    "packages": [\n',
    tail="\n    ]\n}",
)

sheet(
    "nix lock",
    "flake.lock",
    (
        """    "@svc#1-@kebabnoun": {
      "locked": {
        "lastModified": 17@digits:8,
        "narHash": "sha256-@b64:32",
        "owner": "@svc#1",
        "repo": "@kebab",
        "rev": "@hex:40",
        "type": "github"
      }
    },""",
    ),
    head='{\n  "nodes": {\n',
    tail='\n    "root": {}\n  },\n  "version": 7\n}',
)

sheet(
    "nix expressions",
    "pkgs/@svc-@kebab/default.nix",
    (
        """  src = fetchFromGitHub {
    owner = "@svc";
    repo = "@kebab";
    rev = "@hex:40";
    sha256 = "@lownum:52";
  };
  vendorHash = "sha256-@b64:32";""",
        """  @svc-@kebabnoun = fetchurl {
    url = "https://files.example.org/@svc-@version.tar.gz";
    hash = "sha256-@b64:32";
  };
  path = "/nix/store/@lownum:32-@svc-@kebabnoun-@version";""",
    ),
    head="{ lib, fetchFromGitHub }:\n{\n",
    tail="\n}",
    count=20,
)

sheet(
    "mix lock",
    "mix.lock",
    (
        (
            '  "@svc_@noun": {:hex, :@svc, "@version", "@hex:64", [:mix], '
            '[{:@svc, "~> @version", [hex: :@svc, repo: "hexpm", optional: false]}], "hexpm", "@hex:64"},'
        ),
        '  "@svc": {:git, "https://git.example.org/@svc/@word.git", "@hex:40", [tag: "v@version"]},',
    ),
    head="%{\n",
    tail="\n}",
)

sheet(
    "pub lock",
    "pubspec.lock",
    (
        '''  @svc_@noun:
    dependency: transitive
    description:
      name: @svc_@noun
      sha256: @hex:64
      url: "https://packages.example.org"
    source: hosted
    version: "@version"''',
    ),
    head="packages:\n",
)

sheet(
    "pod and swift locks",
    "Podfile.lock",
    (
        "  @Svc@Noun: @hex:40",
        "  - @Svc/@Noun (@version):",
        "    - @Svc (~> @version)",
        """    {
      "identity" : "@svc-@kebabnoun",
      "location" : "https://git.example.org/@svc/@kebab.git",
      "state" : { "revision" : "@hex:40", "version" : "@version" }
    },""",
    ),
    head="SPEC CHECKSUMS:\n",
    tail="\n\nPODFILE CHECKSUM: @hex:40",
)

sheet(
    "deno and bun locks",
    "deno.lock",
    (
        '      "npm:@svc-@kebabnoun@^@version": "@version",',
        '      "https://code.example.org/@svc@v@version/auth_token.ts": "@hex:64",',
        '      "https://code.example.org/@svc@v@version/@word.ts": "@hex:64",',
        '      "https://code.example.org/@svc@v@version/@snake.ts": "@hex:64",',
        '      "https://code.example.org/@svc@v@version/mod.ts": "@hex:64",',
        '    "@svc-@kebabnoun": ["@svc@@version", "", {}, "sha512-@b64:64"],',
    ),
    head='{\n  "version": "4",\n  "remote": {\n',
    tail='\n    "": ""\n  }\n}',
)

sheet(
    "gradle verification",
    "gradle/verification-metadata.xml",
    (
        """      <component group="com.@svc" name="@svc-@kebabnoun" version="@version">
         <artifact name="@svc-@version.jar">
            <sha256 value="@hex:64" origin="Generated"/>
            <pgp value="@HEX:40"/>
         </artifact>
      </component>""",
        '         <trusted-key id="@HEX:40" group="com.@svc"/>',
        '         <ignored-key id="@HEX:16" reason="Key couldn\'t be downloaded"/>',
    ),
    head='<?xml version="1.0"?>\n<verification-metadata>\n   <components>\n',
    tail="\n   </components>\n</verification-metadata>",
)

sheet(
    "terraform lock",
    ".terraform.lock.hcl",
    (
        """provider "registry.example.org/@svc/@svc" {
  version     = "@version"
  constraints = "~> @version"
  hashes = [
    "h1:@b64:32",
    "zh:@hex:64",
    "zh:@hex:64",
  ]
}
""",
    ),
)
