package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/stere-log/stere/api"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/syntax"
)

// The checks of settings. Each says what it wants.

func notEmpty(text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("is empty")
	}
	return nil
}

func isAddress(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("%q is not an address, want for example 127.0.0.1:7100", text)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q has the port %q, want 0 to 65535", text, port)
	}
	return nil
}

func isLogLevel(text string) error {
	_, err := api.ParseLogLevel(text)
	return err
}

func oneOf(allowed ...string) func(string) error {
	return func(text string) error {
		if !slices.Contains(allowed, text) {
			return fmt.Errorf("%q is none of %s", text, strings.Join(allowed, ", "))
		}
		return nil
	}
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", text)
}

func isBool(text string) error { _, err := parseBool(text); return err }

func isCount(text string) error {
	if n, err := strconv.Atoi(text); err != nil || n < 1 || n > 1<<30 {
		return fmt.Errorf("%q is not a whole number above 0", text)
	}
	return nil
}

func isSeconds(text string) error {
	if n, err := strconv.Atoi(text); err != nil || n < 1 || n > 366*86400 {
		return fmt.Errorf("%q is not a number of seconds from 1 to a year", text)
	}
	return nil
}

func isDuration(text string) error {
	d, err := syntax.ParseDuration(text)
	if err == nil && d <= 0 {
		err = syntax.ErrDuration
	}
	if err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	return nil
}

// parseSize reads a number of bytes with an optional unit.
func parseSize(text string) (int64, error) {
	upper := strings.ToUpper(strings.TrimSpace(text))
	factor := int64(1)
	for _, unit := range []struct {
		name   string
		factor int64
	}{{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"B", 1}} {
		if rest, ok := strings.CutSuffix(upper, unit.name); ok {
			upper, factor = strings.TrimSpace(rest), unit.factor
			break
		}
	}
	n, err := strconv.ParseInt(upper, 10, 64)
	if err != nil || n < 1 || n > 1<<50/factor {
		return 0, fmt.Errorf("%q is not a size, want for example 64MiB", text)
	}
	return n * factor, nil
}

func isSize(text string) error { _, err := parseSize(text); return err }

// roleBudgets reads budgets of roles that there are, by what these are called
// everywhere: who writes admin means platform-admin.
func roleBudgets(text string) (map[string]query.Budget, error) {
	named, err := query.ParseBudgets(text, parseSize)
	if err != nil {
		return nil, err
	}
	budgets := make(map[string]query.Budget, len(named))
	for name, budget := range named {
		role, err := auth.ParseRole(name)
		if err != nil {
			return nil, err
		}
		if _, twice := budgets[string(role)]; twice {
			return nil, fmt.Errorf("the role %s has two budgets", role)
		}
		budgets[string(role)] = budget
	}
	return budgets, nil
}

func areBudgets(text string) error { _, err := roleBudgets(text); return err }

// memoryMin is the least memory of a node.
const memoryMin = 64 << 20

func isMemory(text string) error {
	n, err := parseSize(text)
	if err == nil && n < memoryMin {
		err = fmt.Errorf("%q is less than %s", text, sizeText(memoryMin))
	}
	return err
}

// sizeText writes a number of bytes as parseSize reads it.
func sizeText(n int64) string {
	switch {
	case n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", n>>20)
	case n%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return fmt.Sprintf("%dB", n)
}

func isURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is not a URL, want for example https://auth.example.com", text)
	}
	return nil
}

func isHeader(text string) error {
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return fmt.Errorf("%q is not the name of a header", text)
		}
	}
	return notEmpty(text)
}

func isVersion(text string) error {
	for part := range strings.SplitSeq(text, ".") {
		if _, err := strconv.ParseUint(part, 10, 16); err != nil {
			return fmt.Errorf("%q is not a version, want for example 8.19.0", text)
		}
	}
	return nil
}

// areNetworks checks a list of networks and addresses.
func areNetworks(text string) error {
	_, err := networksOf(text)
	return err
}

// networksOf reads networks and addresses with commas between them.
func networksOf(text string) (networks []netip.Prefix, err error) {
	for _, one := range splitList(text) {
		network, err := netip.ParsePrefix(one)
		if address, wrong := netip.ParseAddr(one); wrong == nil {
			network, err = address.Prefix(address.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("%q is no network, want for example 10.0.0.0/8", one)
		}
		networks = append(networks, network.Masked())
	}
	return networks, nil
}

// isPrice checks a price.
func isPrice(text string) error {
	price, err := strconv.ParseFloat(text, 64)
	if err != nil || !(price >= 0 && price <= 1e9) {
		return fmt.Errorf("%q is no price, want for example 0.25", text)
	}
	return nil
}
