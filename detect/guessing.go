package detect

import (
	"slices"
	"time"
)

// guessing finds who guesses passwords, and where that worked.
func guessing(logins []Event) []Finding {
	failed := slices.DeleteFunc(slices.Clone(logins), func(e Event) bool { return e.OK })
	var found []Finding
	told := map[string]bool{} // addresses of which something was found
	addresses, of := by(failed, func(e *Event) string { return e.IP })
	_, all := by(logins, func(e *Event) string { return e.IP })
	for _, ip := range addresses {
		if f, ok := takeover(all[ip]); ok {
			f.IP = ip
			found = append(found, f)
			told[ip] = true
		}
		if f, ok := guesser(of[ip]); ok {
			f.IP = ip
			f.Success = told[ip]
			found = append(found, f)
			told[ip] = true
		}
	}
	rest := slices.DeleteFunc(slices.Clone(failed), func(e Event) bool { return told[e.IP] && e.IP != "" })
	if f, ok := stuffing(rest, logins); ok {
		found = append(found, f)
		rest = nil
	}
	return joined(append(found, distributed(rest)...), failed, logins)
}

// joined makes one finding of addresses that spray, and what they are a small part of: a
// list of users that many addresses go through together.
func joined(found []Finding, failed, logins []Event) []Finding {
	other, sprays := map[string]bool{}, map[string]int64{}
	for i := range found {
		if f := &found[i]; f.Kind == Spraying {
			sprays[f.IP] = f.Attempts
		} else if f.IP != "" {
			other[f.IP] = true
		}
	}
	if len(sprays) == 0 {
		return found
	}
	f, ok := stuffing(slices.DeleteFunc(slices.Clone(failed), func(e Event) bool { return other[e.IP] && e.IP != "" }), logins)
	for _, attempts := range sprays {
		if ok = ok && stuffParts*attempts <= f.Attempts; !ok {
			return found
		}
	}
	found = slices.DeleteFunc(found, func(f Finding) bool { return f.Kind == Spraying || f.Kind == Stuffing })
	return append(found, f)
}

// guesser says whether the failures of an address are guesses: few of many users, or
// many of few.
func guesser(failed []Event) (Finding, bool) {
	hourly, inHour := busiest(failed, time.Hour, count)
	spread := about(Spraying, nonEmpty(hourly, failed))
	if spread.Users >= sprayUsers && spread.Attempts <= int64(sprayEach*spread.Users) {
		return whole(Spraying, failed), true
	}
	_, inBurst := busiest(failed, burst, count)
	f := whole(BruteForce, failed)
	return f, inBurst >= bruteBurst || inHour >= bruteHour || f.Attempts >= bruteAll
}

// nonEmpty returns the first events if there are any.
func nonEmpty(first, second []Event) []Event {
	if len(first) > 0 {
		return first
	}
	return second
}

// whole makes a finding over all events of an address.
func whole(kind Kind, events []Event) Finding {
	f := about(kind, events)
	if f.Users == 1 {
		f.User = f.UserList[0]
	}
	return f
}

// takeover says whether an address, after failures with a user, came in as that user
// within an hour.
func takeover(logins []Event) (Finding, bool) {
	for i := range logins {
		in := &logins[i]
		if !in.OK {
			continue
		}
		// Whoever came in before and mistypes now and then is no guesser.
		var before []Event
		var tries int64
		for _, e := range logins {
			switch {
			case e.User != in.User || e.First > in.Last || in.Last-e.First > int64(time.Hour):
			case !e.OK:
				before = append(before, e)
				tries += e.Count
			case e.Last < in.Last:
				before, tries = nil, 0
			}
		}
		if tries >= takeoverTries {
			f := about(Takeover, before)
			f.User, f.Last, f.Success = in.User, in.Last, true
			return f, true
		}
	}
	return Finding{}, false
}

// stuffing says whether many addresses try many users, each about once, which people who
// mistype do not do: nearly all of it fails.
func stuffing(failed, logins []Event) (Finding, bool) {
	in, _ := busiest(failed, time.Hour, count)
	if len(in) == 0 {
		return Finding{}, false
	}
	f := about(Stuffing, in)
	var allowed int64
	for i := range logins {
		if e := &logins[i]; e.OK && e.First >= f.First && e.First <= f.Last {
			allowed += e.Count
		}
	}
	ok := f.Users >= stuffUsers && f.IPs >= stuffIPs && float64(f.Attempts) <= stuffEach*float64(f.Users) &&
		float64(f.Attempts) >= stuffFailed*float64(f.Attempts+allowed)
	return f, ok
}

// distributed finds users whose password many addresses guess.
func distributed(failed []Event) []Finding {
	var found []Finding
	users, of := by(failed, func(e *Event) string { return e.User })
	for _, user := range users {
		in, _ := busiest(of[user], time.Hour, count)
		f := about(BruteForce, nonEmpty(in, of[user]))
		f.User = user
		if f.IPs >= manyIPs && f.Attempts >= manyAttempts || f.IPs == 0 && f.Attempts >= bruteBurst {
			found = append(found, f)
		}
	}
	return found
}
