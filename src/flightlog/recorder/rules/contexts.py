"""Credentials that are known by what stands around them: headers, URLs, connection strings, key files, command lines.

The last three rules have no patterns here: `names.py` makes them from the sensitive names, which a caller can add to.
"""

from __future__ import annotations

from flightlog.recorder.rules.rule import (
    BARE_VALUE,
    EQUALS,
    QUOTE,
    QUOTED_VALUE,
    SLASH,
    SPACE,
    Part,
    Rule,
    parse_parts,
    unmarked,
)

_OWASP = "https://cheatsheetseries.owasp.org/cheatsheets/Logging_Cheat_Sheet.html"


def _rule(
    name: str,
    finds: str,
    source: str,
    patterns: tuple[str, ...] = (),
    *,
    like: str | tuple[Part, ...],
    scan: tuple[str, ...] = (),
    around: tuple[str, str] = ("", ""),
    hard: bool = False,
    judge: str = "",
) -> Rule:
    parts = parse_parts(like) if isinstance(like, str) else like
    return Rule(name, finds, source, patterns, scan, parts, hard, judge, *around)


_CLOUDS = (
    _rule(
        "aws-secret-access",
        "AWS secret access key, by the name before it",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html",
        (r"(?i:secret_?access_?key)[\x22']?\s*[:=]\s*[\x22']?([A-Za-z0-9/+=]{40,})",),
        like="{base64 40}",
        around=("aws_secret_access_key = ", "\n"),
    ),
    _rule(
        "azure-storage",
        "Azure Storage, Service Bus, Event Hubs and Cosmos DB keys in connection strings",
        "https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string",
        (r"(?i:accountkey|sharedaccesskey|sharedaccesssignature|sharedsecretvalue)\s*=\s*([^;\x22'\s\\]{8,})",),
        like="{base64 86} ==",
        scan=(
            f"(?i:accountkey|sharedaccesskey|sharedaccesssignature|sharedsecretvalue){SPACE}*{EQUALS}{SPACE}*{BARE_VALUE}",
        ),
        around=("AccountName=demo;AccountKey=", ";EndpointSuffix=core.windows.net"),
    ),
    _rule(
        "azure-sas",
        "Azure shared access signature in a URL",
        "https://learn.microsoft.com/rest/api/storageservices/create-service-sas",
        (r"\bsig=([A-Za-z0-9%+/=_-]{40,})",),
        like="{alnum 43} %3D",
        scan=(rf"sig{EQUALS}(?:[A-Za-z0-9%_-]{{8}}|[A-Za-z0-9%_-]{{0,7}}[+/=\\])",),
        around=("https://demo.blob.core.windows.net/box?sv=2024-11-04&sig=", ""),
    ),
    _rule(
        "signed-url",
        "the signature of AWS and Google Cloud pre-signed URLs",
        "https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html",
        (r"(?i:x-(?:amz|goog)-signature)=([0-9a-fA-F]{32,})",),
        like="{hex 64}",
        scan=(f"(?i:x-(?:amz|goog)-signature){EQUALS}[0-9a-fA-F]",),
        around=("https://box.s3.amazonaws.com/file?X-Amz-Expires=300&X-Amz-Signature=", ""),
    ),
    _rule(
        "cohere",
        "Cohere API key, by the name before it",
        "https://docs.cohere.com/reference/about",
        (r"(?i:cohere|\bco)_?(?i:api_?key)[\x22']?\s*[:=]\s*[\x22']?([A-Za-z0-9]{40})\b",),
        like="{alnum 40}",
        around=("COHERE_API_KEY=", ""),
    ),
    _rule(
        "datadog",
        "Datadog API and application keys, by the name before them",
        "https://docs.datadoghq.com/account_management/api-app-keys/",
        (r"(?i:\bdd|datadog)[_-]?(?i:api|app|application)[_-]?(?i:key)[\x22']?\s*[:=]\s*[\x22']?([0-9a-f]{32,40})\b",),
        like="{hex 32}",
        around=("DD_API_KEY=", ""),
    ),
)

_WEBHOOKS = (
    _rule(
        "slack-webhook",
        "Slack incoming webhook and workflow URLs",
        "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks",
        (r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_-]{16,})",),
        like="T {upper 8} /B {upper 8} / {alnum 24}",
        scan=(rf"hooks\.slack(?:-gov)?\.com{SLASH}(?:services|workflows|triggers){SLASH}[A-Za-z0-9]",),
        around=("https://hooks.slack.com/services/", ""),
        hard=True,
    ),
    _rule(
        "discord-webhook",
        "Discord webhook URL",
        "https://discord.com/developers/docs/resources/webhook",
        (r"discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/([0-9]{16,20}/[A-Za-z0-9_-]{20,})",),
        like="{1-9 18} / {url 68}",
        scan=(rf"discord(?:app)?\.com{SLASH}api{SLASH}(?:v[0-9]+{SLASH})?webhooks{SLASH}[0-9]",),
        around=("https://discord.com/api/webhooks/", ""),
        hard=True,
    ),
    _rule(
        "teams-webhook",
        "Microsoft Teams webhook URL",
        "https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook",
        (r"webhook\.office\.com/webhookb2/([A-Za-z0-9@/_-]{36,})",),
        like="{hex 36} @ {hex 36} /IncomingWebhook/ {hex 32}",
        scan=(rf"webhook\.office\.com{SLASH}webhookb2{SLASH}[A-Za-z0-9]",),
        around=("https://demo.webhook.office.com/webhookb2/", ""),
        hard=True,
    ),
)

_BEGIN = r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY"
_END = r"-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
# Lines of base64 and header lines; the ends of lines are real or still escaped, so a cut or nested key is found too.
_BODY = r"(?:[A-Za-z0-9+/=\s\\]|[A-Za-z]+(?:-[A-Za-z]+)*: [A-Za-z0-9 .,():/-]*[\n\\])*"
_AUTH = r"(?i:authorization)[\x22']?\s*[:=]\s*[\x22']?"
_IDENTIFIED = r"(?i:identified\s+(?:with\s+[a-z0-9_]+\s+)?by|(?:^|[^a-z0-9_-])password)\s+"

# name=value of a cookie, quoted or not; the value of a connection string, which may hold spaces.
_CRUMB, _VALUE = r"[^=;,:\s\x22'\\()\[\]{}<>$]+", r"(?:\x22[^\x22\r\n\\]*\x22|[^\x22'\r\n\\;]*)"
_SETTING = r"(?:[^;\x22'\r\n\\]|\\+[^\\\s\x22'nrtfu])+"

_STANDARDS = (
    _rule(
        "private-key-block",
        "PEM, OpenSSH, PGP and PuTTY private keys, Google service account keys; cut ones and escaped line ends too",
        "https://www.rfc-editor.org/rfc/rfc7468",
        (
            f"({_BEGIN}(?: BLOCK)?-----{_BODY}(?:{_END})?)",
            r"Private-Lines: [0-9]+[\s\\]+(?:n\b)?([A-Za-z0-9+/=\s\\]+)",
        ),
        like=(
            ("-----BEGIN RSA PRIV",),
            ("ATE KEY-----\n",),
            *parse_parts("{base64 64}"),
            ("\n",),
            *parse_parts("{base64 60}"),
            ("==\n-----END RSA PRIV",),
            ("ATE KEY-----",),
        ),
        scan=(_BEGIN, "Private-Lines: "),
        hard=True,
        judge="key-block",
    ),
    _rule(
        "jwt",
        "JSON Web Tokens, signed, unsigned and encrypted",
        "https://www.rfc-editor.org/rfc/rfc7519",
        (r"(eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,3})",),
        like="eyJ {url 34} .eyJ {url 60} . {url 43}",
        scan=(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.",),
        hard=True,
    ),
    _rule(
        "auth-header",
        "Authorization and Proxy-Authorization header values",
        "https://www.rfc-editor.org/rfc/rfc9110#name-authorization",
        (
            rf"{_AUTH}(?i:bearer|basic|token|apikey|api-key|bot|ssws|key|negotiate)\s+([^\s\x22'\\,;]+)",
            rf"{_AUTH}(?i:digest|aws4-hmac-sha256|hawk)\s+((?:=\x22[^\x22\r\n\\]*\x22|[^\x22'\r\n\\{{])+)",
            rf"{_AUTH}([^\s\x22'\\,;(){{}}<>\[\]]+)",
        ),
        like="{alnum 24}",
        around=("GET / HTTP/1.1\r\nAuthorization: Bearer ", "\r\n"),
        judge="value",
    ),
    _rule(
        "bearer",
        "a bearer token in free text",
        "https://www.rfc-editor.org/rfc/rfc6750",
        (r"\b(?i:bearer)\s+([A-Za-z0-9][a-z._~+/-]*[A-Z0-9][A-Za-z0-9._~+/=-]{6,})",),
        like="q7 {alnum 30}",
        scan=(rf"(?i:bearer){SPACE}+[A-Za-z0-9](?:[a-z._~+/-]|\\+/|\\+u00[0-9a-fA-F]{{2}})*[A-Z0-9]",),
        around=("sent with Bearer ", ""),
        judge="digits",
    ),
    _rule(
        "basic",
        "HTTP Basic credentials, where they decode to name:password",
        "https://www.rfc-editor.org/rfc/rfc7617",
        (r"\b(?i:basic)\s+([A-Za-z0-9+/][a-z]*[A-Z0-9+/][A-Za-z0-9+/]{2,}={0,2})",),
        like="YWdlbnQ6 Y29ycmVjdC1ob3JzZQ==",
        scan=(rf"(?i:basic){SPACE}+[A-Za-z0-9+/\\][a-z]*[A-Z0-9+/\\]",),
        around=("sent with Basic ", ""),
        judge="basic",
    ),
    _rule(
        "cookie-header",
        "Cookie and Set-Cookie header values",
        "https://www.rfc-editor.org/rfc/rfc6265",
        (rf"(?i:cookie)2?[\x22']?\s*[:=]\s*[\x22']?({_CRUMB}={_VALUE}(?:;[^\x22'\r\n\\;=]*(?:={_VALUE})?)*)",),
        like="sid= {alnum 24}",
        around=("Set-Cookie: ", "\r\n"),
    ),
    _rule(
        "url-userinfo",
        "the password in scheme://user:password@host (postgres, mongodb+srv, redis, amqp, https, …)",
        "https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1",
        (r"://[^\s/?#:@\x22'<>\[\\]*:([^\s/?@\x22'<>\\]+)@",),
        like="{alnum 16}",
        scan=(
            rf":{SLASH}{SLASH}[^\s/?#:@\x22'<>\[]*:(?:[^\s/?@\x22'<>\[]|{unmarked('@')})[^\s/?@\x22'<>]*@",
            # A sign of the user or password that JSON has escaped hides what comes after it from the line above.
            rf":{SLASH}{SLASH}[^\s/?#\x22'<>\[]*\\u00[0-9a-fA-F]{{2}}",
        ),
        around=("postgres://app:", "@db.example.com:5432/app"),
        judge="template",
    ),
    _rule(
        "connection-string",
        "Password=…; in ODBC, ADO.NET and JDBC connection strings",
        "https://learn.microsoft.com/dotnet/framework/data/adonet/connection-string-syntax",
        (
            rf";\s*(?i:password|pwd)\s*=\s*({_SETTING})",
            rf"(?i:password|pwd)\s*=\s*({_SETTING});\s*(?i:server|data source|host|database|user id|uid|encrypt|port)\s*=",
        ),
        like="{alnum 8} ! {alnum 8}",
        around=("Server=db.example.com;User Id=app;Password=", ";Encrypt=yes"),
        judge="template",
    ),
    _rule(
        "sql-login",
        "IDENTIFIED BY '…' and PASSWORD '…' in SQL",
        "https://dev.mysql.com/doc/refman/8.4/en/create-user.html",
        (rf"{_IDENTIFIED}'([^'\\\n]+)", rf"{_IDENTIFIED}\x22([^\x22\\\n]+)"),
        like="{alnum 12}",
        scan=(f"(?i:identified{SPACE}+(?:with{SPACE}+[a-z0-9_]+{SPACE}+)?by|password){SPACE}+{QUOTE}{QUOTED_VALUE}",),
        around=("ALTER USER app IDENTIFIED BY '", "';"),
        judge="template",
    ),
    _rule(
        "netrc",
        "login … password … in netrc files",
        "https://www.gnu.org/software/inetutils/manual/html_node/The-_002enetrc-file.html",
        (r"\b(?i:login)\s+[^\s\x22'\\]+\s+(?i:password)\s+([^\s\x22'\\]+)",),
        like="{alnum 12}",
        scan=(rf"(?i:login){SPACE}+[^\s\x22']+{SPACE}+(?i:password){SPACE}+{BARE_VALUE}",),
        around=("machine example.com login app password ", "\n"),
        judge="template",
    ),
    _rule(
        "crypt-hash",
        "password hashes of crypt(3), bcrypt, yescrypt and argon2",
        "https://man7.org/linux/man-pages/man5/crypt.5.html",
        (r"(\$(?:2[abxy]|5|6|7|y|gy|argon2(?:id|i|d))\$[A-Za-z0-9./$=,+-]{40,})",),
        like="$6$ {alnum 16} $ {alnum 86}",
        scan=(r"\$(?:2[abxy]|5|6|7|y|gy|argon2(?:id|i|d))\$[A-Za-z0-9.\\+]",),
    ),
)

_NAMED = (
    _rule(
        "command-line",
        "--password …, --token=…, --api-key …, curl -u name:password, sshpass -p …",
        "https://curl.se/docs/manpage.html",
        like="{alnum 12}",
        around=("deploy --verbose --db-password ", " --now"),
    ),
    _rule(
        "sensitive-key",
        "every string under a sensitive key of an object, however deep it is nested or escaped",
        _OWASP,
        like="{alnum 12}",
        around=('{"db_password": "', '"}'),
    ),
    _rule(
        "assignment",
        "password=…, api_key: …, export TOKEN=… in code, configuration, logs and dumps of the environment",
        _OWASP,
        like="{alnum 12} 7",
        around=("export DB_PASSWORD=", " # for tests"),
    ),
)

CONTEXTS: tuple[Rule, ...] = _CLOUDS + _WEBHOOKS + _STANDARDS + _NAMED
