package meaning

import (
	"net/netip"
	"slices"
	"strings"
)

// Place is where an address is, and whose it is. What is not known is "".
type Place struct {
	Country, CountryName string // ISO 3166-1 alpha-2, and its English name
	Region, City         string
	Latitude, Longitude  string // degrees
	ASN, Organization    string // of the network
}

// AddressFields returns the fields in which programs write the address of the client of
// what they do; the first that a record has counts.
func AddressFields() []string {
	return []string{"metadata.client_ip", "client_ip", "metadata.ip", "ip", "source.ip", "client.ip", "ipAddress", "metadata.src_ip", "src_ip", "metadata.IpAddress"}
}

// addressMax is more than an address, its zone and a port have.
const addressMax = 80

// shared are addresses of networks of providers and of what is reserved, which are nobody's in particular.
var shared = []netip.Prefix{
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
}

// PublicAddress returns an address that can have a place, in its usual form, "" for
// private ones and for what is no address. A port after it is left out, and of a list the
// first one counts.
func PublicAddress(text string) string {
	text, _, _ = strings.Cut(text, ",")
	text = strings.TrimSpace(text)
	if len(text) > addressMax {
		return ""
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		with, err := netip.ParseAddrPort(text)
		if err != nil {
			return ""
		}
		address = with.Addr()
	}
	address = address.Unmap().WithZone("")
	if !address.IsGlobalUnicast() || address.IsPrivate() || slices.ContainsFunc(shared, func(p netip.Prefix) bool { return p.Contains(address) }) {
		return ""
	}
	return address.String()
}

// clientWords are what stands before the address of a client in a message.
var clientWords = []string{"from ", "rhost=", "client ", "client: "}

// MayHaveClient reports whether messages of an outline may name the address of a client.
func MayHaveClient(outline string) bool {
	return HasStatus(outline) || slices.ContainsFunc(clientWords, func(word string) bool {
		return strings.Contains(outline, strings.TrimRight(word, " :="))
	})
}

// ClientOf returns the public address of the client that a message names: in front of a
// line of an access log, else after "from", "rhost=" or "client". "" if there is none.
func ClientOf(message string) string {
	if _, ok := RequestOf(message); ok {
		first, _, _ := strings.Cut(message, " ")
		return PublicAddress(first)
	}
	for _, word := range clientWords {
		for rest := message; ; {
			at := strings.Index(rest, word)
			if at < 0 {
				break
			}
			inWord := at > 0 && isLetter(rest[at-1])
			rest = rest[at+len(word):]
			if inWord {
				continue
			}
			end := strings.IndexFunc(rest, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF.:", r) })
			if end < 0 {
				end = len(rest)
			}
			if address := PublicAddress(strings.TrimRight(rest[:end], ".:")); address != "" {
				return address
			}
		}
	}
	return ""
}

// isLetter reports whether a byte is a letter of ASCII, or a part of another one.
func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' || b >= 0x80 }
