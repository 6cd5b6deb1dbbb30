from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import pytest

from hematovision.exchange.destinations import (
    Destination,
    DestinationRefusedError,
    Network,
    find_destination,
    read_url,
)

PUBLIC = "93.184.216.34"
NAMES = {
    "lis.example.org": [PUBLIC, "2606:4700::1111"],
    "inside.example.org": ["10.1.2.3"],
    "localhost": ["127.0.0.1", "::1"],
    "metadata.example.org": ["169.254.169.254"],
    "half.example.org": [PUBLIC, "127.0.0.1"],
    "mapped.example.org": ["::ffff:127.0.0.1"],
    "scoped.example.org": ["fe80::1%eth0"],
    "nothing.example.org": [],
    "odd.example.org": ["no address"],
}


def resolve(host: str, port: int) -> Sequence[str]:
    """Know a few names, as a laboratory's resolver might."""
    if host not in NAMES:
        raise OSError(host)
    return NAMES[host]


def find(url: str, *networks: str) -> Sequence[str]:
    listed: list[Network] = [ip_network(network) for network in networks]
    return [str(one) for one in find_destination(read_url(url), listed, resolve)]


REFUSED = [
    "",
    "lis.example.org",
    "//lis.example.org/",
    "http://lis.example.org/",
    "ftp://lis.example.org/",
    "file:///etc/passwd",
    "gopher://lis.example.org/",
    "https://",
    "https:///path",
    "https://user@lis.example.org/",
    "https://user:password@lis.example.org/",
    "https://@lis.example.org/",
    "https://lis.example.org@127.0.0.1/",
    "https://lis.example.org\\@127.0.0.1/",
    "https://lis.example.org:/",
    "https://lis.example.org:22/",
    "https://lis.example.org:25/",
    "https://lis.example.org:0/",
    "https://lis.example.org:65536/",
    "https://lis.example.org:port/",
    "https://lis.example.org/#part",
    "https://lis.example.org/a b",
    "https://lis.example.org/\r\nHost: other",
    "https://lis.example.org/\x00",
    "https://lis.example.org/" + 2000 * "a",
    "https://127.0.0.1/",
    "https://127.8.9.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://127.0.0.01/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://127.0.0.1.:443/",
    "https://0.0.0.0/",
    "https://0/",
    "https://255.255.255.255/",
    "https://224.0.0.1/",
    "https://100.64.0.1/",
    "https://192.0.0.192/",
    "https://192.0.2.1/",
    "https://192.88.99.1/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/",
    "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:93.184.216.34]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::a00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:53aa:64c:0:0:80ff:fffe]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[4000::1]/",
    "https://[5f00::1]/",
    "https://[e000::1]/",
    "https://[::1/",
    "https://::1/",
    "https://[v1.x]/",
    "https://localhost/",
    "https://localhost./",
    "https://LOCALHOST/",
    "https://lis.example.org./",
    "https://lis..example.org/",
    "https://-lis.example.org/",
    "https://lis%2eexample.org/",
    "https://%6c%6f%63%61%6c%68%6f%73%74/",
    "https://127。0。0。1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://lis.example.org。/",
    "https://läbor.example.org/",
    "https://" + 64 * "a" + ".example.org/",
    "https://" + ".".join(130 * ["aa"]) + "/",
    "https://unknown.example.org/",
    "https://inside.example.org/",
    "https://metadata.example.org/",
    "https://half.example.org/",
    "https://mapped.example.org/",
    "https://scoped.example.org/",
    "https://nothing.example.org/",
    "https://odd.example.org/",
]


@pytest.mark.parametrize("url", REFUSED, ids=ascii)
def test_url_that_could_open_the_network_is_refused(url: str) -> None:
    with pytest.raises(DestinationRefusedError):
        find(url)


@pytest.mark.parametrize(
    ("url", "networks", "found"),
    [
        pytest.param("https://lis.example.org", [], NAMES["lis.example.org"], id="public name"),
        pytest.param(f"https://{PUBLIC}/", [], [PUBLIC], id="public address"),
        pytest.param("https://[2606:4700::1111]/", [], ["2606:4700::1111"], id="IPv6"),
        pytest.param("https://LIS.example.org:8443/", [], NAMES["lis.example.org"], id="port"),
        pytest.param("https://inside.example.org/", ["10.1.0.0/16"], ["10.1.2.3"], id="listed"),
        pytest.param("http://inside.example.org/", ["10.1.0.0/16"], ["10.1.2.3"], id="plain"),
        pytest.param("http://127.0.0.1:8080/", ["127.0.0.0/8"], ["127.0.0.1"], id="loopback"),
        pytest.param("http://[::1]:8080/", ["::1/128"], ["::1"], id="loopback, IPv6"),
        pytest.param("https://169.254.1.1/", ["169.254.1.1/32"], ["169.254.1.1"], id="link-local"),
        pytest.param(
            "https://mapped.example.org/",
            ["::ffff:127.0.0.1/128"],
            ["::ffff:127.0.0.1"],
            id="mapped",
        ),
    ],
)
def test_url_that_is_public_or_listed_is_found(
    url: str, networks: list[str], found: list[str]
) -> None:
    # How Python writes an address depends on its version.
    assert find(url, *networks) == [str(ip_address(one)) for one in found]


@pytest.mark.parametrize(
    ("url", "networks"),
    [
        pytest.param("https://inside.example.org/", ["10.2.0.0/16"], id="another network"),
        pytest.param("https://half.example.org/", ["10.0.0.0/8"], id="one address of two"),
        pytest.param("http://lis.example.org/", ["10.0.0.0/8"], id="plain to the public"),
        pytest.param("https://127.0.0.1/", ["0.0.0.0/0"], id="loopback by everything"),
        pytest.param("https://169.254.169.254/", ["0.0.0.0/0", "::/0"], id="cloud by everything"),
        pytest.param("https://mapped.example.org/", ["127.0.0.0/8"], id="mapped by plain"),
        pytest.param("https://[64:ff9b::a01:203]/", ["10.0.0.0/8"], id="carried by plain"),
    ],
)
def test_list_opens_no_more_than_it_says(url: str, networks: list[str]) -> None:
    with pytest.raises(DestinationRefusedError):
        find(url, *networks)


def test_url_is_read_into_what_is_asked_for() -> None:
    read = read_url("https://LIS.example.org:8443/a/b?unit=1&x=%20")
    assert read == Destination("https", "lis.example.org", 8443, "/a/b?unit=1&x=%20")
    assert read_url("http://127.0.0.1").port == 80
    assert read_url("https://[2606:4700:0:0::1111]").host == "2606:4700::1111"
