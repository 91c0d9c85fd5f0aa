"""Random looking names of things: digests, revisions, addresses, identifiers."""

# ruff: noqa: E501  # rows are as wide as in the files they are for

from __future__ import annotations

from negatives.pools import sheet

sheet(
    "checksum files",
    "SHA256SUMS",
    (
        "@hex:64  @svc-cli-@version-linux-amd64.tar.gz",
        "@hex:32  @svc_@noun.py",
        "@hex:128 *@svc-@version.deb",
        "@hex:40  @svc/@noun.txt",
        "SHA256 (@svc-@kebabnoun.zip) = @hex:64",
        "MD5 (@svc) = @hex:32",
        "@hex:96  @svc-@kebabnoun.iso",
        "@HEX:64  @Svc~Setup.exe",
        "@hex:8 @svc_@noun.crc",
    ),
)

sheet(
    "docker digests",
    "deploy/@word/compose.yaml",
    (
        "    image: registry.example.org/@svc/@svc-agent@sha256:@hex:64",
        "    image: @svc/@svc:@version@sha256:@hex:64",
        "FROM @svc:@version@sha256:@hex:64 AS @word",
        '      "Digest": "sha256:@hex:64",',
        '      "layers": ["sha256:@hex:64", "sha256:@hex:64"],',
        '@hex:12   @svc/@svc:@version   "/entrypoint.sh"   @n:50 hours ago   Up @n:50 hours',
    ),
)

sheet(
    "subresource integrity",
    "public/@word.html",
    (
        (
            '<script src="https://cdn.example.org/@svc@@version/@svc.min.js" integrity="sha384-@b64:48" '
            'crossorigin="anonymous"></script>'
        ),
        '<link rel="stylesheet" href="/@svc.@hex:8.css" integrity="sha512-@b64:64">',
        '<script nonce="@b64:16">window.@svc = {};</script>',
        '<meta http-equiv="Content-Security-Policy" content="script-src \'sha256-@b64:32\'">',
        '<meta name="@svc-site-verification" content="@b64url:32">',
        '<meta name="csrf-param" content="authenticity_token">',
    ),
)

sheet(
    "http traffic",
    "tests/cassettes/@svc_@word.yaml",
    (
        "      ETag: ['\"@hex:32\"']",
        "      ETag: ['W/\"@hex:40\"']",
        "      X-Request-Id: [@uuid]",
        "      X-Amz-Request-Id: [@upnum:16]",
        "      X-Amz-Id-2: [@b64:56]",
        "      CF-RAY: [@hex:16-FRA]",
        "      traceparent: [00-@hex:32-@hex:16-01]",
        "      X-@Svc-Trace: [@hex:32]",
        "      If-None-Match: ['\"@hex:64\"']",
        "      Sec-WebSocket-Key: [@b64:16]",
        "      Sec-WebSocket-Accept: [@b64:20]",
        "      X-B3-TraceId: [@hex:32]",
        "      Content-MD5: [@b64:16]",
        "      X-Cloud-Trace-Context: [@hex:32/@digits:19;o=1]",
        "      X-Fastly-Request-ID: [@hex:40]",
        "      Authorization: [REDACTED]",
        "      X-Api-Key: [FILTERED]",
        "      Authorization: ['Bearer <@noun>']",
        "      uri: https://api.@svc.com/v1/@word/@hex:24",
    ),
    head="interactions:\n- response:\n    headers:\n",
)

sheet(
    "git objects",
    "notes/@word.txt",
    (
        "commit @hex:40",
        "@hex:7 @text",
        "tree @hex:40",
        "parent @hex:40",
        "100644 blob @hex:40\tsrc/@svc_@noun.py",
        "index @hex:7..@hex:7 100644",
        "@hex:40 refs/heads/@svc-@kebabnoun",
        "    @text (@hex:9)",
        "Merge: @hex:7 @hex:7",
        "cherry picked from commit @hex:40",
        "* [@hex:8] rotate the @svc @saynoun",
        "Change-Id: I@hex:40",
        "git-subtree-split: @hex:40",
        "@hex:64 refs/tags/v@version",
    ),
)

sheet(
    "pinned revisions",
    "src/@word/versions.py",
    (
        '@SVC_COMMIT = "@hex:40"',
        '@SVC_SHA256 = "@hex:64"',
        '@svc_version = "@version-@hex:7"',
        '@UPPER_CHECKSUM = "@hex:64"',
        '"@svc": "@hex:40",',
        '@svc_rev: "@hex:40"',
        'EXPECTED_@SVC_DIGEST = "@hex:32"',
        '@svc_md5 = "@hex:32"  # of the api key schema',
        'BUILD_ID = "@uuid"',
        '@SVC_API_SCHEMA_HASH = "@hex:32"',
        '"@svc_auth_etag": "@hex:32",',
        'http_archive(name = "@svc_@noun", sha256 = "@hex:64", strip_prefix = "@svc-@hex:40")',
        'GIT_COMMIT = "@hex:40"',
        "# @svc api token docs moved in @hex:40",
    ),
)

sheet(
    "workflow pins",
    ".github/workflows/@svc.yml",
    (
        "      - uses: @svc/@svc-action@@hex:40 # v@version",
        "          cache-key: @svc-@hex:64",
        "          key: ${{ runner.os }}-@svc-${{ hashFiles('**/@word.lock') }}",
        "          restore-keys: ${{ runner.os }}-@svc-",
        "          @kebabnoun: ${{ secrets.@SVC_@NOUN }}",
        "          token: ${{ secrets.GITHUB_TOKEN }}",
        "          ref: @hex:40",
        "          @SVC_@NOUN: ${{ secrets.@SVC_@NOUN }}",
        "          key: @svc-v@n:9-@hex:40",
        '      - run: echo "::add-mask::$@SVC_@NOUN"',
        "      id-token: write",
        "          password: ${{ secrets.@SVC_PASSWORD }}",
        "          role-to-assume: @svc-deploy",
    ),
    head="name: @word\non: push\njobs:\n  build:\n    steps:\n",
)

sheet(
    "uuid lists",
    "data/@word.csv",
    ("@uuid,@snake,@date", "@uuid,@svc,@noun", "@n,@uuid,@uuid,@word"),
    head="id,name,when\n",
    count=150,
    lines=4000,
)

sheet(
    "identifiers in configuration",
    "config/@svc.yaml",
    (
        "  @svc_client_id: @uuid",
        "  tenant_id: @uuid",
        "  subscription_id: @uuid",
        "  @svc_project_id: @hex:24",
        "  @svc_account_sid_name: @word",
        "  key_id: @uuid",
        "  kms_key_id: arn:aws:kms:eu-west-1:@digits:12:key/@uuid",
        "  kms_key_id: @uuid",
        "  role: arn:aws:iam::@digits:12:role/@svc-@kebabnoun",
        "  ami: ami-@hex:17",
        "  secret_arn: arn:aws:secretsmanager:eu-west-1:@digits:12:secret:@svc/@noun-@alnum:6",
        "  user_pool_id: eu-west-1_@alnum:9",
        "  hosted_zone_id: Z@upnum:13",
        "  distribution: E@upnum:13",
        "  @svc_org_id: @digits:10",
        "  vpc: vpc-@hex:17",
        "  measurement_id: G-@upnum:10",
        "  tag_manager: GTM-@upnum:7",
        "  analytics: UA-@digits:8-1",
        "  google_client_id: @digits:12-@lownum:32.apps.googleusercontent.com",
        "  firebase_app_id: 1:@digits:12:web:@hex:22",
        "  certificate_arn: arn:aws:acm:eu-west-1:@digits:12:certificate/@uuid",
        "  token_uri: https://oauth2.@svc.com/token",
        "  @svc_dashboard_id: @hex:32",
        "  @svc_key_name: @kebab",
        "  @svc_token_ttl: @n",
        "  thumbprint: @HEX:40",
        "  @svc_webhook_id: '@digits:18'",
        "  channel: C@upnum:10",
        "  @svc_token_name: @kebab",
        "  api_key_id: @upnum:10",
        "  team_id: T@upnum:8",
        "  access_key_name: @svc-@word",
        "  @svc_database_id: @hex:32",
        "  etag: @hex:32",
        "  secret_name: @svc/@kebabnoun",
        "  secret_version: @uuid",
    ),
    head="@svc:\n",
)

sheet(
    "chain addresses",
    "deployments/@word.json",
    (
        '  "@svc@Word": "0x@hex:40",',
        '  "transactionHash": "0x@hex:64",',
        '  "blockHash": "0x@hex:64",',
        '  "bytecode": "0x6080604052@hex:400",',
        '  "tokenAddress": "0x@HEX:40",',
        '  "accessControl": "0x@hex:40",',
        '  "@camel": {"address": "0x@hex:40", "args": ["0x@hex:64", @n]},',
        '  "merkleRoot": "0x@hex:64",',
        '  "MINTER_ROLE": "0x@hex:64",',
        '  "ipfs": "Qm@alnum:44",',
        '  "cid": "bafybei@lower:52",',
        '  "topics": ["0x@hex:64"],',
        '  "bc": "bc1q@lownum:38",',
        '  "tokenURI": "ipfs://Qm@alnum:44/@n",',
        '  "publicKey": "0x04@hex:128",',
        '  "keyHash": "0x@hex:64",',
    ),
    head="{\n",
    tail='\n  "": 0\n}',
)

sheet(
    "search and page cursors",
    "tests/data/@svc_page.json",
    (
        '  "next_cursor": "@b64:24",',
        '  "nextPageToken": "@alnum:24",',
        '  "continuation_token": "@b64:48",',
        '  "syncToken": "@b64url:18",',
        '  "NextToken": "@b64:60",',
        '  "endCursor": "@b64:21",',
        '  "_id": "@hex:24",',
        '  "marker": "@b64url:30",',
        '  "revision": "@n-@hex:32",',
        '  "gid": "@digits:16",',
        '  "node_id": "@b64:14",',
        '  "sha": "@hex:40",',
        '  "gravatar_id": "@hex:32",',
        '  "avatar_url": "https://avatars.example.org/@hex:32?s=80",',
        '  "token_type": "bearer",',
        '  "expires_in": @n,',
        '  "scope": "read_@noun write_@noun",',
        '  "state": "@hex:32",',
        '  "nonce": "@b64url:16",',
        '  "code_challenge": "@b64url:32",',
        '  "kid": "@b64url:32",',
        '  "fingerprint": "@hex:64",',
        '  "idempotency_key": "@uuid",',
        '  "cache_key": "@hex:40",',
        '  "etag": "@hex:32",',
        '  "dedupe_key": "@hex:32",',
        '  "partition_key": "@uuid",',
        '  "sort_key": "@svc#@uuid",',
        '  "object_key": "@svc/@uuid/@word.png",',
        '  "primary_key": "@uuid",',
        '  "routing_hint": "@alnum:20",',
        '  "@svc_id": "@alnum:27",',
    ),
    head="{\n",
    tail='\n  "": 0\n}',
    lines=5000,
)

sheet(
    "object ids by prefix",
    "tests/fixtures/@svc_events.json",
    (
        '  {"id": "evt_@alnum:24", "object": "event", "api_version": "@date"},',
        '  {"customer": "cus_@alnum:14", "charge": "ch_@alnum:24", "intent": "pi_@alnum:24"},',
        '  {"id": "prod_@alnum:14", "price": "price_@alnum:24", "card": "card_@alnum:24"},',
        '  {"id": "usr_@alnum:22", "org": "org_@alnum:22", "team": "team_@alnum:20"},',
        '  {"id": "msg_@alnum:24", "thread": "thread_@alnum:24", "run": "run_@alnum:24"},',
        '  {"id": "chatcmpl-@alnum:29", "model": "@svc-@n:9", "system_fingerprint": "fp_@hex:10"},',
        '  {"sid": "SM@hex:32", "service": "MG@hex:32", "call": "CA@hex:32"},',
        '  {"deployment": "dpl_@alnum:28", "project": "prj_@alnum:28"},',
        '  {"key_id": "key_@alnum:16", "webhook": "we_@alnum:24", "file": "file-@alnum:24"},',
        '  {"ulid": "01@upnum:24", "ksuid": "@alnum:27", "nanoid": "@b64url:16", "cuid": "c@lownum:24"},',
        '  {"snowflake": "@digits:18", "object_id": "@hex:24", "phid": "PHID-TASK-@lownum:20"},',
    ),
    head="[\n",
    tail="\n  {}\n]",
)
