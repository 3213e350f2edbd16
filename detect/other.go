package detect

import (
	"fmt"
	"math"
	"time"
)

// scans finds addresses that try many ports or paths within a short time.
func scans(events []Event, kind Kind, least int64) []Finding {
	var found []Finding
	addresses, of := by(events, func(e *Event) string { return e.IP })
	for _, ip := range addresses {
		in, targets := busiest(of[ip], burst, func(e *Event) int64 { return e.Targets })
		if targets < least {
			continue
		}
		f := about(kind, in)
		f.IP = ip
		found = append(found, f)
	}
	return found
}

// privilegesOf makes a finding for each change of privileges of a user.
func privilegesOf(events []Event) []Finding {
	var found []Finding
	keys, of := by(events, func(e *Event) string { return e.User + "\x00" + e.Detail })
	for _, key := range keys {
		f := whole(Privileges, of[key])
		f.Detail = of[key][0].Detail
		found = append(found, f)
	}
	return found
}

// travels finds users who came in from two places between which nobody travels so fast.
func travels(logins []Event) []Finding {
	var found []Finding
	users, of := by(logins, func(e *Event) string {
		if !e.OK || e.Place == nil {
			return ""
		}
		return e.User
	})
	for _, user := range users {
		events := of[user]
		for i := 1; i < len(events); i++ {
			far := distance(*events[i-1].Place, *events[i].Place)
			hours := max(float64(events[i].First-events[i-1].Last)/float64(time.Hour), 1./60)
			if far < travelLeast || far/hours < travelSpeed {
				continue
			}
			f := about(Travel, events[i-1:i+1])
			f.User, f.IP = user, events[i].IP
			f.Detail = fmt.Sprintf("%.0f km in %s", far, time.Duration(hours*float64(time.Hour)).Round(time.Minute))
			if before := events[i-1].IP; before != "" && f.IP != "" && before != f.IP {
				f.Detail += fmt.Sprintf(", from %s to %s", before, f.IP)
			}
			found = append(found, f)
			break
		}
	}
	return found
}

// distance is that over the surface of the earth, in kilometres.
func distance(a, b Place) float64 {
	const radius, degree = 6371, math.Pi / 180
	up, across := (b.Latitude-a.Latitude)*degree/2, (b.Longitude-a.Longitude)*degree/2
	h := math.Sin(up)*math.Sin(up) + math.Cos(a.Latitude*degree)*math.Cos(b.Latitude*degree)*math.Sin(across)*math.Sin(across)
	return 2 * radius * math.Asin(math.Sqrt(min(h, 1)))
}
