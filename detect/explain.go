package detect

import (
	"fmt"
	"strings"
	"time"
)

// Explain says in plain words what a finding is.
func (f *Finding) Explain() string {
	span := time.Duration(f.Last - f.First).Round(time.Second)
	switch f.Kind {
	case BruteForce:
		if f.IP == "" && f.IPs == 0 {
			return fmt.Sprintf("The password of %s was guessed wrong %d times in %s, from no address that is named.", f.User, f.Attempts, span)
		}
		if f.IP == "" {
			return fmt.Sprintf("The password of %s was guessed wrong %d times from %d addresses in %s.", f.User, f.Attempts, f.IPs, span)
		}
		return fmt.Sprintf("%s failed to log in %d times in %s, %s.%s", f.IP, f.Attempts, span, f.users(), f.after())
	case Spraying:
		return fmt.Sprintf("%s tried a few passwords for each of many users: %d failed logins of %d users in %s (%s ...).%s", f.IP, f.Attempts, f.Users, span, strings.Join(f.UserList[:min(3, len(f.UserList))], ", "), f.after())
	case Stuffing:
		return fmt.Sprintf("%d addresses tried %d users, each about once, in %s: that is how stolen lists of passwords are tried.", f.IPs, f.Users, span)
	case Takeover:
		return fmt.Sprintf("%s logged in as %s after %d failed attempts within %s.", f.IP, f.User, f.Attempts, span)
	case PortScan:
		return fmt.Sprintf("%s tried %d ports in %s.", f.IP, f.Targets, span)
	case PathScan:
		return fmt.Sprintf("%s asked for %d paths that are not there or forbidden in %s.", f.IP, f.Targets, span)
	case Privileges:
		return fmt.Sprintf("%s was given privileges: %s.", f.User, f.Detail)
	}
	return fmt.Sprintf("%s logged in from places too far apart: %s.", f.User, f.Detail)
}

// Techniques returns what MITRE ATT&CK calls what was done, by its ids.
func (k Kind) Techniques() []string {
	switch k {
	case BruteForce:
		return []string{"T1110.001"}
	case Spraying:
		return []string{"T1110.003"}
	case Stuffing:
		return []string{"T1110.004"}
	case Takeover:
		return []string{"T1110", "T1078"}
	case PortScan:
		return []string{"T1046"}
	case PathScan:
		return []string{"T1595.003"}
	case Privileges:
		return []string{"T1098.007"}
	case Travel:
		return []string{"T1078"}
	}
	return nil
}

// users says of whom.
func (f *Finding) users() string {
	switch {
	case f.Users == 0:
		return "of no user that is named"
	case f.Users == 1:
		return "as " + f.UserList[0]
	}
	return fmt.Sprintf("as %d users (%s)", f.Users, strings.Join(f.UserList[:min(3, len(f.UserList))], ", "))
}

// after says what came of it.
func (f *Finding) after() string {
	if f.Success {
		return " A login succeeded afterwards."
	}
	return ""
}
