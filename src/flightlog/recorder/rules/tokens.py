"""Credentials that are known by how they begin: one block of three lines each.

    name: what it finds [flags]
      the format, on one line or more
      where its owner documents it

In a format, `|` parts alternatives and `{hex 32+}` is a run of at least 32 letters of a class. Flags: `edge`, the
beginning is short and must also begin a word; `soft`, common enough to be left alone in ids; any other names a judge.
Lines `scan …` replace the trigger that would be made from the format; `scan edge …` must begin a word.
"""

from __future__ import annotations

from flightlog.recorder.rules.rule import Rule, parse_tokens

_TABLE = r"""
aws-access-key-id: AWS access key id, long-term and temporary
  AKIA|ASIA|ABIA|ACCA {upper 16+}
  https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
google-api: Google API key (Maps, Firebase, Gemini)
  AIza {url 35+}
  https://cloud.google.com/docs/authentication/api-keys
google-oauth: Google OAuth access token and client secret
  ya29.|GOCSPX- {url 20+}
  https://developers.google.com/identity/protocols/oauth2
azure-client: Microsoft Entra client secret
  {A-Za-z0-9_~. 3} {digit 1} Q~ {A-Za-z0-9_~.- 31+}
  scan [0-9]Q~[A-Za-z0-9_~.-]{8}
  https://learn.microsoft.com/purview/sit-defn-azure-ad-client-secret
alibaba-access-key-id: Alibaba Cloud AccessKey id
  LTAI {alnum 16+}
  https://www.alibabacloud.com/help/en/ram/user-guide/create-an-accesskey-pair
digitalocean: DigitalOcean personal, OAuth and refresh tokens
  dop_v1_|doo_v1_|dor_v1_ {hex 64+}
  https://docs.digitalocean.com/reference/api/create-personal-access-token/
heroku: Heroku API key and OAuth token
  HRKU- {url 36+}
  https://devcenter.heroku.com/articles/authentication
flyio: Fly.io tokens
  fo1_|fm1r_|fm1a_|fm2_ {A-Za-z0-9+/_=- 40+}
  https://fly.io/docs/security/tokens/
vercel: Vercel personal, integration, app and API tokens [edge]
  vcp_|vci_|vca_|vcr_|vck_|vercel_blob_rw_ {url 24+}
  https://vercel.com/changelog/new-token-formats-and-secret-scanning
netlify: Netlify personal, CLI, OAuth and build tokens [edge]
  nfp_|nfc_|nfo_|nfu_|nfb_ {alnum 36+}
  https://answers.netlify.com/t/change-to-the-netlify-authentication-token-format/106146
cloudflare: Cloudflare user and account tokens, global key [edge]
  cfut_|cfat_|cfk_ {alnum 40+}
  https://developers.cloudflare.com/fundamentals/api/get-started/token-formats/
vault: HashiCorp Vault service, batch and recovery tokens [edge]
  hvs.|hvb.|hvr. {url 24+}
  https://developer.hashicorp.com/vault/docs/concepts/tokens
vault-legacy: HashiCorp Vault tokens before 1.10 [edge soft mixed]
  s.|b. {alnum 24-26}
  scan [sb]\.[A-Za-z0-9]{24}
  https://developer.hashicorp.com/vault/docs/concepts/tokens
terraform: HCP Terraform and Terraform Enterprise API tokens
  {alnum 14} .atlasv1. {url 60+}
  scan \.atlasv1\.
  https://developer.hashicorp.com/terraform/cloud-docs/users-teams-organizations/api-tokens
databricks: Databricks personal access token
  dapi {hex 32+}
  https://docs.databricks.com/dev-tools/auth/pat.html
planetscale: PlanetScale service token, password, OAuth token
  pscale_tkn_|pscale_pw_|pscale_oauth_ {A-Za-z0-9_.- 32+}
  https://planetscale.com/docs/concepts/service-tokens
supabase: Supabase access token and secret API key [edge]
  sbp_|sb_secret_ {url 30+}
  https://supabase.com/docs/guides/api/api-keys
doppler: Doppler personal, service, CLI, SCIM and audit tokens [edge]
  dp.pt.|dp.st.|dp.ct.|dp.sa.|dp.scim.|dp.audit. {A-Za-z0-9_.- 40+}
  https://docs.doppler.com/reference/auth-token-formats
pulumi: Pulumi access token [edge]
  pul- {hex 40+}
  https://www.pulumi.com/docs/pulumi-cloud/access-management/access-tokens/
op-service-account: 1Password service account token
  ops_eyJ {A-Za-z0-9+/_=- 100+}
  https://developer.1password.com/docs/service-accounts/
tailscale: Tailscale keys
  tskey- {a-z 3+} - {url 16+}
  https://tailscale.com/kb/1277/key-prefixes
age: age secret key
  AGE-SECRET-KEY-1 {bech32 58+}
  https://github.com/C2SP/C2SP/blob/main/age.md
github: GitHub personal, OAuth, app and refresh tokens
  ghp_|gho_|ghu_|ghs_|ghr_ {alnum 36+}
  https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github
github-fine-grained: GitHub fine-grained personal access token
  github_pat_ {word 60+}
  https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github
gitlab: GitLab personal, deploy, runner, job, trigger, feed and agent tokens
  glpat-|gloas-|gldt-|glrt-|glrtr-|glcbt-|glptt-|glft-|glimt-|glagent-|glwt-|glsoat-|glffct- {A-Za-z0-9_.- 20+}
  https://docs.gitlab.com/security/tokens/#token-prefixes
gitlab-runner: GitLab runner registration token
  GR1348941 {url 20+}
  https://docs.gitlab.com/security/tokens/#token-prefixes
bitbucket: Bitbucket app password, repository and workspace access tokens
  ATBB|ATCTT3 {A-Za-z0-9_=- 32+}
  https://support.atlassian.com/bitbucket-cloud/docs/access-tokens/
atlassian: Atlassian account API token (Jira, Confluence)
  ATATT3 {A-Za-z0-9_=- 60+}
  https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account/
npm: npm access token
  npm_ {alnum 36+}
  https://docs.npmjs.com/about-access-tokens
pypi: PyPI and TestPyPI API token
  pypi-AgEI|pypi-AgEN {url 60+}
  https://pypi.org/help/#apitoken
rubygems: RubyGems API key
  rubygems_ {hex 48+}
  https://guides.rubygems.org/api-key-scopes/
nuget: NuGet API key [edge]
  oy2 {lower 43}
  https://learn.microsoft.com/nuget/nuget-org/publish-a-package
docker: Docker Hub personal and organisation access tokens
  dckr_pat_|dckr_oat_ {url 27+}
  https://docs.docker.com/security/access-tokens/
buildkite: Buildkite API access token [edge]
  bkua_|bkct_ {alnum 40+}
  https://buildkite.com/docs/apis/managing-api-tokens
circleci: CircleCI personal and project tokens
  CCIPAT_|CCIPRJ_ {word 40+}
  https://circleci.com/docs/managing-api-tokens/
sonar: SonarQube tokens [edge]
  sqp_|squ_|sqa_ {hex 40+}
  https://docs.sonarsource.com/sonarqube-server/user-guide/managing-tokens/
postman: Postman API key
  PMAK- {hex 24+} - {hex 34+}
  https://learning.postman.com/docs/developer/postman-api/authentication/
anthropic: Anthropic API, admin and OAuth keys
  sk-ant- {url 32+}
  https://docs.anthropic.com/en/api/getting-started
openrouter: OpenRouter API key
  sk-or- {url 32+}
  https://openrouter.ai/docs/api-reference/authentication
langfuse: Langfuse secret key
  sk-lf- {url 32+}
  https://langfuse.com/docs/api-and-data-platform/features/public-api
openai: OpenAI user, project, service account and admin keys; DeepSeek, Moonshot and others [edge mixed]
  sk-proj-|sk-svcacct-|sk-admin-|sk-None-|sk- {url 24+}
  scan sk-[A-Za-z0-9_-]{20}
  https://platform.openai.com/docs/api-reference/authentication
huggingface: Hugging Face user and organisation tokens [edge]
  hf_|api_org_ {alpha 34+}
  https://huggingface.co/docs/hub/security-tokens
groq: Groq API key [edge]
  gsk_ {alnum 40+}
  https://console.groq.com/docs/quickstart
xai: xAI API key [edge]
  xai- {alnum 60+}
  https://docs.x.ai/docs/tutorial
replicate: Replicate API token [edge]
  r8_ {alnum 37+}
  https://replicate.com/docs/topics/security/api-tokens
perplexity: Perplexity API key [edge]
  pplx- {alnum 40+}
  https://docs.perplexity.ai/guides/getting-started
nvidia: NVIDIA API catalogue key [edge]
  nvapi- {url 40+}
  https://docs.api.nvidia.com/nim/docs/api-quickstart
fireworks: Fireworks AI key [edge mixed]
  fw_ {alnum 22+}
  https://docs.fireworks.ai/api-reference/introduction
cerebras: Cerebras key [edge]
  csk- {lower 40+}
  https://inference-docs.cerebras.ai/quickstart
together: Together AI key [edge]
  tgp_v1_ {url 40+}
  https://docs.together.ai/docs/quickstart
langsmith: LangSmith personal and service keys
  lsv2_pt_|lsv2_sk_ {word 32+}
  https://docs.langchain.com/langsmith/create-account-api-key
pinecone: Pinecone API key [edge]
  pcsk_ {word 40+}
  https://docs.pinecone.io/guides/projects/manage-api-keys
tavily: Tavily API key [edge]
  tvly- {url 28+}
  https://docs.tavily.com/documentation/quickstart
elevenlabs: ElevenLabs API key [edge]
  sk_ {hex 48+}
  https://elevenlabs.io/docs/api-reference/authentication
logfire: Pydantic Logfire write and read tokens
  pylf_v1_ {a-z 2+} _ {alnum 30+}
  https://logfire.pydantic.dev/docs/how-to-guides/create-write-tokens/
stripe: Stripe secret and restricted keys, live and test
  sk_live_|rk_live_|sk_test_|rk_test_|sk_org_live_ {alnum 16+}
  https://docs.stripe.com/keys
stripe-webhook: Stripe (and Svix) webhook signing secret [edge]
  whsec_ {A-Za-z0-9+/= 24+}
  https://docs.stripe.com/webhooks/signature
square: Square access token and application secret [edge mixed]
  EAAA|sq0atp-|sq0csp- {url 22+}
  scan edge EAAA[A-Za-z0-9_-]{8}
  scan sq0(?:atp|csp)\-[A-Za-z0-9_-]{8}
  https://developer.squareup.com/docs/build-basics/access-tokens
braintree: PayPal Braintree access token
  access_token$production$|access_token$sandbox$ {lower 16+} $ {hex 32+}
  https://developer.paypal.com/braintree/docs/guides/extend/oauth/access-tokens
shopify: Shopify access tokens and shared secret
  shpat_|shpca_|shppa_|shpss_|shpua_ {hex 32+}
  https://shopify.dev/docs/apps/build/authentication-authorization
razorpay: Razorpay key id
  rzp_live_|rzp_test_ {alnum 14+}
  https://razorpay.com/docs/api/authentication/
plaid: Plaid access token
  access-production-|access-sandbox-|access-development- {hex 8+} - {hex 4+} - {hex 4+} - {hex 4+} - {hex 12+}
  https://plaid.com/docs/api/tokens/
slack: Slack bot, user, app, refresh and configuration tokens
  xoxa-|xoxb-|xoxe-|xoxo-|xoxp-|xoxr-|xoxs-|xoxc-|xoxe.xoxp-|xoxe.xoxb-|xapp- {url 20+}
  https://docs.slack.dev/authentication/tokens
discord: Discord bot token [edge soft]
  {MNO 1} {DTjz 1} {AEIMQUYcgk 1} {w-z0-5 1} {MNO 1} {DTjz 1} {AEIMQUYcgk 1} {w-z0-5 1}
  {MNO 1} {DTjz 1} {AEIMQUYcgk 1} {w-z0-5 1} {MNO 1} {DTjz 1} {AEIMQUYcgk 1} {w-z0-5 1}
  {url 7-11} . {url 6} . {url 27+}
  scan (?:[MNO][DTjz][AEIMQUYcgk][w-z0-5]){4}
  https://discord.com/developers/docs/reference#authentication
telegram: Telegram bot token [edge soft]
  {digit 8-10} :A {url 34+}
  scan [0-9]:A[A-Za-z0-9_-]{20}
  https://core.telegram.org/bots/api#authorizing-your-bot
twilio: Twilio API key and account SID [edge]
  SK|AC {hex 32+}
  scan (?:SK|AC)[0-9a-f]{16}
  https://www.twilio.com/docs/glossary/what-is-a-sid
sendgrid: SendGrid API key
  SG. {url 16-32} . {url 32+}
  https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys
mailgun: Mailgun private API key [edge]
  key- {hex 32+}
  https://documentation.mailgun.com/docs/mailgun/api-reference/mg-auth
mailchimp: Mailchimp API key [edge soft]
  {hex 32} -us {digit 1-2}
  scan [0-9a-f]-us[0-9]
  https://mailchimp.com/developer/marketing/guides/quick-start/
brevo: Brevo API key
  xkeysib-|xsmtpsib- {hex 64+} - {alnum 16+}
  https://developers.brevo.com/docs/api-key-authentication
resend: Resend API key [edge mixed]
  re_ {alnum 8} _ {alnum 20+}
  https://resend.com/docs/dashboard/api-keys/introduction
linear: Linear API key and OAuth token
  lin_api_|lin_oauth_ {alnum 32+}
  https://linear.app/developers/graphql
notion: Notion integration token [edge]
  ntn_ {alnum 40+}
  https://developers.notion.com/docs/authorization
notion-legacy: Notion integration token, older form [edge]
  secret_ {alnum 43}
  https://developers.notion.com/docs/authorization
figma: Figma personal and OAuth tokens [edge]
  figd_|figu_|figo_|figor_|figoh_ {url 32+}
  https://www.figma.com/developers/api#access-tokens
sentry: Sentry organisation and user auth tokens
  sntrys_|sntryu_|sntrya_ {A-Za-z0-9+/=_ 40+}
  https://docs.sentry.io/account/auth-tokens/
newrelic: New Relic user, insert and browser keys [edge]
  NRAK-|NRII-|NRIQ-|NRJS-|NRRA- {url 19+}
  https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/
grafana: Grafana service account token
  glsa_ {alnum 32+} _ {hex 8+}
  https://grafana.com/docs/grafana/latest/administration/service-accounts/
grafana-cloud: Grafana Cloud access policy token
  glc_ {A-Za-z0-9+/= 32+}
  https://grafana.com/docs/grafana-cloud/security-and-account-management/authentication-and-permissions/access-policies/
airtable: Airtable personal access token [edge]
  pat {alnum 14} . {hex 64+}
  scan pat[A-Za-z0-9]{14}\.[0-9a-f]{8}
  https://airtable.com/developers/web/guides/personal-access-tokens
hubspot: HubSpot private app token
  pat-na1-|pat-na2-|pat-eu1-|pat-ap1- {hex 8+} - {hex 4+} - {hex 4+} - {hex 4+} - {hex 12+}
  https://developers.hubspot.com/docs/guides/apps/private-apps/overview
posthog: PostHog personal API key [edge]
  phx_ {alnum 32+}
  https://posthog.com/docs/api
sourcegraph: Sourcegraph access token [edge]
  sgp_|sgd_ {word 40+}
  https://sourcegraph.com/docs/cli/how-tos/creating_an_access_token
prefect: Prefect API key [edge]
  pnu_|pnb_ {alnum 32+}
  https://docs.prefect.io/v3/manage/cloud/manage-users/api-keys
typeform: Typeform personal access token [edge]
  tfp_ {A-Za-z0-9_.- 40+}
  https://www.typeform.com/developers/get-started/personal-access-token/
"""

TOKENS: tuple[Rule, ...] = parse_tokens(_TABLE)
