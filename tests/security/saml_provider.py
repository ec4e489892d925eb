"""A small SAML provider: it responds to a request with a signed assertion, and can be set to send a false one."""

import base64
import zlib
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

ENTITY_ID, SSO_URL = "https://idp.example/metadata", "https://idp.example/sso"
PEM = serialization.Encoding.PEM
RESPONSE = """<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="r-1" Version="2.0" IssueInstant="{now}" Destination="{acs}" InResponseTo="{request}">
<saml:Issuer>{issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>
{assertion}</samlp:Response>"""  # noqa: E501 - a document
ASSERTION = """<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ID="a-1" Version="2.0" IssueInstant="{now}"><saml:Issuer>{issuer}</saml:Issuer>
<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{name_id}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="{until}" Recipient="{acs}" InResponseTo="{request}"/></saml:SubjectConfirmation></saml:Subject>
<saml:Conditions NotBefore="{since}" NotOnOrAfter="{until}"><saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>
<saml:AuthnStatement AuthnInstant="{now}" SessionIndex="s-1"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>
<saml:AttributeStatement><saml:Attribute Name="email"><saml:AttributeValue xsi:type="xs:string">{email}</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>"""  # noqa: E501 - a document


class SamlProvider:
    """A provider that signs in the person that a test names."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = certificate_of(self.key)
        self.lies: dict[str, str] = {}
        self.is_signed = True

    def answer(self, address: str, *, name_id: str, email: str) -> str:
        """Return the `SAMLResponse` to the request in the address to which the browser was redirected."""
        encoded = parse_qs(urlsplit(address).query)["SAMLRequest"][0]
        request = ET.fromstring(zlib.decompress(base64.b64decode(encoded), -15))
        acs, moment = request.attrib["AssertionConsumerServiceURL"], datetime.now(UTC)
        audience = request.findtext("{urn:oasis:names:tc:SAML:2.0:assertion}Issuer") or ""
        values = {
            "issuer": ENTITY_ID, "acs": acs, "audience": audience, "request": request.attrib["ID"], "email": email,
            "name_id": name_id, "now": instant(moment), "since": instant(moment - timedelta(minutes=1)),
            "until": instant(moment + timedelta(minutes=5)),
        } | self.lies  # fmt: skip
        assertion = ASSERTION.format(**values)
        if self.is_signed:
            assertion = signed(assertion, self.key, self.certificate)
        return base64.b64encode(RESPONSE.format(**values, assertion=assertion).encode()).decode()


def signed(assertion: str, key: rsa.RSAPrivateKey, certificate: str) -> str:
    from onelogin.saml2.utils import OneLogin_Saml2_Utils  # noqa: PLC0415 - an extra, which may be missing

    pem = key.private_bytes(PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    whole: bytes = OneLogin_Saml2_Utils.add_sign(assertion, pem.decode(), certificate)
    return whole.decode()


def instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def certificate_of(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp.example")])
    moment = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(moment - timedelta(days=1))
    return builder.not_valid_after(moment + timedelta(days=1)).sign(key, hashes.SHA256()).public_bytes(PEM).decode()
