package budget

import (
	"testing"
	"time"
)

func TestBudget(t *testing.T) {
	b := New(10)
	if !b.Take(8, 0) || b.Take(8, time.Millisecond) {
		t.Fatal("the budget is not kept")
	}
	large := make(chan bool)
	go func() { large <- b.Take(10, time.Minute) }()
	b.Give(8)
	if !<-large {
		t.Error("who waited was not served")
	}
	if b.Take(1, time.Millisecond) {
		t.Error("more was given out than there is")
	}
	b.Give(10)
	if !b.Take(10, 0) {
		t.Error("what was given back is gone")
	}
}
