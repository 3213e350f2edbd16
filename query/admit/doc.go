// Package admit lets a few queries run at once, in turns between tenants, says
// which run and wait, and ends one that an operator wants to end.
//
// Gate is the main type. Of all queries at most Config.AtOnce run; a single
// tenant never has all of these places, so that a query of another one starts
// soon whatever that tenant asks. What finds no place waits, the tenants in
// turn; what finds no room to wait either, of which a single tenant never has all, is
// refused with ErrBusy.
//
// What runs longer than a moment works in turns (Ticket.Do), piece by piece, on threads
// of low priority and never on all processors of the scheduler, so that a small query is
// not held up by heavy ones whoever asks them.
//
// A Gate is safe for concurrent use. It starts a goroutine for the time of a piece.
package admit
