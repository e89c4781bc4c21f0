import pytest

from crucible.adapters.guardrails import GuardOptions, RuleGuard

GUARD = RuleGuard(GuardOptions(prompt_injection=False, jailbreak=False, redact="placeholder"))
# Put together here, so that scanners of this repository find no key in it.
HEADER, FOOTER = "-----BEGIN " + "RSA PRIVATE KEY-----", "-----END " + "RSA PRIVATE KEY-----"
TOKEN = "eyJhbGciOiJIUzI1NiJ9" + "." + "eyJzdWIiOiJzeW50aGV0aWMifQ" + "." + "c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"key:\n{HEADER}\nMIIB0123+/=\n{FOOTER}\nend", "key:\n[PRIVATE_KEY]\nend"),
        (f"{HEADER}\nMIIB0123+/=\nAAAA", "[PRIVATE_KEY]"),
        ("id AKIAIOSFODNN7EXAMPLE.", "id [API_KEY]."),
        ("use " + "sk-" + "a1B2" * 80 + " now", "use [API_KEY] now"),
        (f"jwt {TOKEN}", "jwt [JWT]"),
        ("Authorization: Bearer abc123DEF456ghi789JKL", "Authorization: Bearer [API_KEY]"),
        ('password = "hunter2-horse"', 'password = "[PASSWORD]"'),
        ("postgres://app:s3cret@db.example/x", "postgres://[PASSWORD]/x"),
        ("API_KEY=9f8e7d6c5b4a39281706", "API_KEY=[API_KEY]"),
    ],
)
def test_a_credential_is_redacted_whole(text: str, redacted: str) -> None:
    assert GUARD.scan(text, side="output")[1] == redacted


@pytest.mark.parametrize(
    "text",
    [
        "password = getpass.getpass('Password: ')",
        "api_key = os.environ['SERVICE_API_KEY']",
        "password: your-password-here",
        "sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "the key: binding of interleukin-1-receptor-antagonists",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    ],
)
def test_code_and_checksums_are_not_credentials(text: str) -> None:
    assert GUARD.scan(text, side="output")[0].findings == ()
