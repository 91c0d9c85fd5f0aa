"""Configuration that says where a secret is, not what it is."""

# ruff: noqa: E501  # rows are as wide as in the files they are for

from __future__ import annotations

from negatives.pools import sheet

sheet(
    "kubernetes",
    "k8s/@svc/deployment.yaml",
    (
        """        - name: @SVC_@NOUN
          valueFrom:
            secretKeyRef:
              name: @svc-@kebabnoun
              key: @noun""",
        """      volumes:
        - name: @svc-@kebabnoun
          secret:
            secretName: @svc-@kebabnoun
            items: [{key: @noun, path: @svc/@noun}]""",
        """        - name: @SVC_@NOUN_FILE
          value: /var/run/secrets/@svc/@noun""",
        '''  annotations:
    checksum/secret: @hex:64
    @svc.example.org/token-name: "@kebab"''',
        """kind: ExternalSecret
spec:
  data:
    - secretKey: @noun
      remoteRef: {key: @svc/@word, property: @noun, version: @uuid}""",
        "        - --@svc-@kebabnoun-file=/etc/@svc/@noun",
        "        - secretRef: {name: @svc-credentials}",
        "  uid: @uuid",
        '  resourceVersion: "@digits:9"',
        "      pod-template-hash: @lownum:10",
        "automountServiceAccountToken: false",
        "      tokenExpirationSeconds: @n",
    ),
    head="apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: @svc\n",
    lines=4000,
)

sheet(
    "terraform",
    "infra/@svc/main.tf",
    (
        'variable "@svc_@noun" {\n  type      = string\n  sensitive = true\n}',
        "  @noun = var.@svc_@noun",
        "  password = random_password.@snake.result",
        "  secret_id = aws_secretsmanager_secret.@snake.id",
        '  @noun = data.vault_generic_secret.@svc.data["@noun"]',
        '  @svc_@noun = local.@snake["@noun"]',
        '  key_name = "@svc-@word"',
        '  source_code_hash = "@b64:32"',
        '  kms_key_id = "@uuid"',
        "  @noun = data.aws_ssm_parameter.@svc_@noun.value",
        '  name = "/@svc/@word/@noun"',
        '  value = "${var.@svc_@noun}"',
        '  token = jsondecode(data.@word.@snake.secret_string)["@noun"]',
        '  @noun = "@stub"',
        '  commit = "@hex:40"',
        "  manage_master_user_password = true",
        '  ami = "ami-@hex:17"  # @svc',
    ),
    head='resource "@svc_@word" "@snake" {\n',
    tail="\n}",
    lines=4000,
)

sheet(
    "dockerfiles",
    "docker/@svc/Dockerfile",
    (
        "ARG @SVC_@NOUN",
        'ENV @SVC_@NOUN=""',
        "ENV @SVC_@NOUN=${@SVC_@NOUN}",
        "ARG @SVC_SHA256=@hex:64",
        "RUN --mount=type=secret,id=@svc_@noun cat /run/secrets/@svc_@noun",
        "ENV GPG_KEY=@HEX:40",
        'RUN echo "@hex:64  @svc.tar.gz" | sha256sum -c -',
        "ARG COMMIT=@hex:40",
        "ENV @SVC_VERSION=@version",
        "RUN gpg --batch --keyserver keys.example.org --recv-keys @HEX:40",
        "ENV @SVC_@NOUN changeme",
        "ADD --checksum=sha256:@hex:64 https://files.example.org/@svc.deb /tmp/",
        "LABEL revision=@hex:40",
    ),
    head="FROM @svc:@version@sha256:@hex:64\n",
)

sheet(
    "environment examples",
    ".env.example",
    (
        "@SVC_@NOUN=@stub",
        "@SVC_@NOUN=",
        '@SVC_@NOUN="@stub"',
        "# @text",
        "@SVC_URL=https://api.@svc.com/v1",
        "@SVC_CLIENT_ID=@stub",
        "# @SVC_@NOUN=@stub",
        "export @SVC_@NOUN='@stub'",
        "@UPPER=@n",
        "APP_KEY=",
        "DATABASE_URL=postgres://user:password@localhost:5432/@word",
        "REDIS_URL=redis://localhost:6379/@n:9",
        "DATABASE_URL=mysql://root:root@127.0.0.1/@word",
        "MONGO_URL=mongodb://<user>:<password>@cluster/@word",
        "SMTP_URL=smtps://@word:YOUR_PASSWORD@smtp.example.org",
        "AMQP_URL=amqp://guest:guest@rabbit:5672/",
    ),
    lines=5000,
)

sheet(
    "vendor documentation",
    "docs/@svc/@kebab.md",
    (
        """Set `@SVC_@NOUN` to the @saynoun that the @Svc console shows:

```sh
export @SVC_@NOUN=@stub
curl -H "Authorization: Bearer @stub" https://api.@svc.com/v2/@word
curl -u @stub: https://api.@svc.com/v1/charges
```
""",
        """```json
{"@noun": "@stub", "client_id": "@stub", "client_secret": "@stub"}
```
""",
        """```python
client = @svc.Client(api_key="@stub", secret="@stub")
```
""",
        """```yaml
@svc:
  @noun: @stub
  password: "@stub"
```
""",
        "| `@SVC_@NOUN` | The @saynoun of your account | `@stub` |",
        "* `--@kebabnoun @stub`: @text",
        "`@svc login --@kebabnoun=@stub`",
        "@prose:25 The @saynoun looks like `@stub`.",
        "aws configure set aws_secret_access_key @awssecret",
        "aws_access_key_id = @awsid",
        "`AccountKey=@stub;EndpointSuffix=core.example.org`",
        "Cookie: session=@stub",
        "`https://hooks.@svc.com/services/T@zero:8/B@zero:8/@X:24`",
        "`@svc://user:pass@host:port/@word`",
    ),
    head="# @Svc\n\n",
    lines=8000,
)

sheet(
    "api descriptions",
    "api/@svc/openapi.yaml",
    (
        """    @Pascal:
      type: object
      required: [@noun, @word]
      properties:
        @noun:
          type: string
          format: password
          description: @text
          example: "@stub"
        id: {type: string, format: uuid, example: @uuid}""",
        """  securitySchemes:
    @svc_@noun:
      type: apiKey
      in: header
      name: X-@Svc-Api-Key""",
        "        etag: {type: string, example: '@hex:32'}",
        "        token_url: https://auth.@svc.com/token",
        "      operationId: rotate@Noun",
        "        - name: @noun\n          in: query\n          schema: {type: string, minLength: @n:64}",
        "        pattern: '^[A-Za-z0-9]{32}$'",
        "        sha: {type: string, example: @hex:40}",
    ),
    head="openapi: 3.1.0\ncomponents:\n  schemas:\n",
    count=20,
    lines=4000,
)

sheet(
    "application settings",
    "config/@word.properties",
    (
        "@svc.@kebabnoun=${@SVC_@NOUN}",
        "spring.datasource.password=${DB_PASSWORD:}",
        "@svc.@noun.name=@kebab",
        "@svc.token.uri=https://auth.@svc.com/token",
        "security.password.min-length=@n:20",
        "@svc.@noun=@stub",
        "@dotted.key=@dotted",
        "@svc.key-store=classpath:@word.p12",
        "@svc.token-expiry=@n",
        "@dotted.encoding=UTF-8",
        "@svc.secret-path=/etc/@svc/@noun",
        "@svc.@kebabnoun.header=X-@Svc-Token",
        "build.commit=@hex:40",
        "@svc.password.encoder=bcrypt",
        "@svc.key.alias=@kebab",
        "@svc.keycloak.realm=@word",
    ),
)
