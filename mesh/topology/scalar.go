package topology

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ValueError is the refusal of one scalar of mesh.yaml (or of a flag that is
// written the same way).
type ValueError struct {
	What string // what is wrong, with the value
	Why  string
	Cure string
}

func (e *ValueError) Error() string { return sentence(e.What, e.Why, e.Cure) }

// Explain returns the error's parts.
func (e *ValueError) Explain() (what, why, cure string) { return e.What, e.Why, e.Cure }

// Address is where a server listens: HOST:PORT. Port 0 or -1 means that the
// system chooses a free one; an empty host means every interface. The zero
// Address is "does not listen".
type Address struct {
	Host string
	Port int // 1 to 65535, or AutoPort; 0 is "does not listen", whatever the host
}

// AutoPort is the port of an Address whose port the system is to choose; it
// is also what nats-server's options take for that.
const AutoPort = -1

// ParseAddress reads HOST:PORT, :PORT or [IPV6]:PORT. Its errors are
// *ValueError.
func ParseAddress(text string) (Address, error) {
	const cure = "write HOST:PORT, such as 127.0.0.1:4222 (this machine only), 0.0.0.0:4222 (every interface) or 127.0.0.1:0 (any free port)"
	refuse := func(why string) (Address, error) {
		return Address{}, &ValueError{What: fmt.Sprintf("%q is not an address", text), Why: why, Cure: cure}
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		if _, numeric := strconv.Atoi(text); numeric == nil {
			return refuse("a port alone does not say on which interface to listen")
		}
		return refuse("host and port are separated by a colon, and an IPv6 host stands in square brackets")
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < AutoPort || n > math.MaxUint16 || (port[0] == '+') {
		return refuse(fmt.Sprintf("the port %q is not a number from 0 to 65535", port))
	}
	if n == 0 {
		n = AutoPort
	}
	if !validHost(host) {
		return refuse(fmt.Sprintf("%q is neither a host name nor an IP address", host))
	}
	return Address{Host: host, Port: n}, nil
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?$`)

// allDigits is a host that was meant to be an IPv4 address and is not one.
var allDigits = regexp.MustCompile(`^[0-9.]+$`)

func validHost(host string) bool {
	if host == "" {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return len(host) <= 253 && hostName.MatchString(host) && !allDigits.MatchString(host)
}

// IsZero reports whether there is nothing to listen on.
func (a Address) IsZero() bool { return a.Port == 0 }

// Auto reports whether the system is to choose the port.
func (a Address) Auto() bool { return a.Port == AutoPort }

// EveryInterface reports whether the host stands for all of the machine's
// addresses, so that it cannot be dialled.
func (a Address) EveryInterface() bool {
	if a.Host == "" {
		return !a.IsZero()
	}
	ip, err := netip.ParseAddr(a.Host)
	return err == nil && ip.IsUnspecified()
}

// String is HOST:PORT, with port 0 where the system is to choose it, so that
// net.Listen takes it; "" for the zero Address.
func (a Address) String() string {
	if a.IsZero() {
		return ""
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(max(0, a.Port)))
}

// UnmarshalText is ParseAddress.
func (a *Address) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAddress(string(text))
	return err
}

// MarshalText is String.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Article names the type in messages.
func (Address) Article() string { return "an address, HOST:PORT" }

// EditorSchema is how an editor checks an address.
func (Address) EditorSchema() map[string]any {
	return map[string]any{"type": "string", "pattern": `^.*:(-1|[0-9]{1,5})$`}
}

// Size is a number of bytes. Zero is "no limit of its own".
type Size int64

var units = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"B", 1},
}

var sizeText = regexp.MustCompile(`^([0-9]{1,19})(?: ?([KMGT]i?B|B))?$`)

// ParseSize reads a whole number of bytes with a unit: B, KB, MB, GB, TB (of
// 1000) or KiB, MiB, GiB, TiB (of 1024). Its errors are *ValueError.
func ParseSize(text string) (Size, error) {
	refuse := func(why string) (Size, error) {
		return 0, &ValueError{
			What: fmt.Sprintf("%q is not a size", text), Why: why,
			Cure: "write a whole number with a unit, such as 512MiB, 10GiB or 10GB",
		}
	}
	m := sizeText.FindStringSubmatch(text)
	if m == nil {
		return refuse("it is not a whole number followed by B, KB, MB, GB, TB, KiB, MiB, GiB or TiB")
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return refuse(err.Error())
	}
	if m[2] == "" {
		return refuse("a number alone does not say of what")
	}
	if n == 0 {
		return refuse("a limit of nothing lets nothing be stored; leave the key out for no limit")
	}
	for _, unit := range units {
		if unit.name == m[2] {
			if n > math.MaxInt64/unit.bytes {
				return refuse("it is more than 8 EiB")
			}
			return Size(n * unit.bytes), nil
		}
	}
	return refuse("unknown unit")
}

// String is the size in the unit that makes it shortest.
func (s Size) String() string {
	best := fmt.Sprintf("%dB", int64(s))
	for _, unit := range units {
		if int64(s)%unit.bytes != 0 {
			continue
		}
		if text := fmt.Sprintf("%d%s", int64(s)/unit.bytes, unit.name); len(text) < len(best) {
			best = text
		}
	}
	return best
}

// UnmarshalText is ParseSize.
func (s *Size) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSize(string(text))
	return err
}

// MarshalText is String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Article names the type in messages.
func (Size) Article() string { return "a size, such as 10GiB" }

// EditorSchema is how an editor checks a size.
func (Size) EditorSchema() map[string]any {
	return map[string]any{"type": "string", "pattern": sizeText.String()}
}

// Duration is a length of time, written as Go writes it: 90s, 15m, 1h30m.
type Duration time.Duration

// UnmarshalText reads a positive duration. Its errors are *ValueError.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	why := ""
	switch {
	case err != nil:
		why = "it is not numbers followed by ms, s, m or h"
	case parsed <= 0:
		why = "it must be more than nothing"
	}
	if why != "" {
		return &ValueError{What: fmt.Sprintf("%q is not a duration", text), Why: why, Cure: "write such as 500ms, 30s, 15m or 1h30m"}
	}
	*d = Duration(parsed)
	return nil
}

// MarshalText is the duration without trailing zero units.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the duration as mesh.yaml has it.
func (d Duration) String() string {
	text := time.Duration(d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Article names the type in messages.
func (Duration) Article() string { return "a duration, such as 15m" }

// EditorSchema is how an editor checks a duration.
func (Duration) EditorSchema() map[string]any {
	return map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
}

// Share is a part of the whole in hundredths of a percent: 10000 is all.
type Share int

var shareText = regexp.MustCompile(`^([0-9]{1,3})(?:\.([0-9]{1,2}))?%$`)

// UnmarshalText reads a percentage above 0% and at most 100%, with at most
// two decimals. Its errors are *ValueError.
func (s *Share) UnmarshalText(text []byte) error {
	m := shareText.FindStringSubmatch(string(text))
	var parsed int
	if m != nil {
		parsed, _ = strconv.Atoi(m[1] + (m[2] + "00")[:2])
	}
	if parsed < 1 || parsed > 10000 {
		return &ValueError{
			What: fmt.Sprintf("%q is not a share", text),
			Why:  "it is not a percentage above 0% and at most 100%, with at most two decimals",
			Cure: "write such as 5% or 0.5%",
		}
	}
	*s = Share(parsed)
	return nil
}

// MarshalText is String.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String is the share as a percentage.
func (s Share) String() string {
	return strconv.FormatFloat(float64(s)/100, 'f', -1, 64) + "%"
}

// Article names the type in messages.
func (Share) Article() string { return "a share, such as 5%" }

// EditorSchema is how an editor checks a share.
func (Share) EditorSchema() map[string]any {
	return map[string]any{"type": "string", "pattern": shareText.String()}
}
