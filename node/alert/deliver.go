package alert

import (
	"context"
	"strings"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/webhook"
)

// deliver begins to tell every webhook that is due and is not being told. Nobody waits
// for those that are slow.
func (w *Watcher) deliver(ctx context.Context) {
	state := w.State()
	now := w.Now().UnixNano()
	for _, tenant := range state.DocumentTenants(kindQueue) {
		if leaves(state, tenant) {
			continue
		}
		paused := w.paused(state, tenant)
		for _, id := range state.DocumentIDs(kindQueue, tenant) {
			if paused && id != contactID {
				continue // what waits is told when they are switched on again
			}
			var q webhook.Queue
			if _, err := read(state, kindQueue, tenant, id, &q); err != nil || q.Waits() == 0 {
				continue
			}
			e, there, err := w.endpoint(state, tenant, id)
			if err != nil || !there || e.Active && !mayTry(state, tenant, id, &q, now) || !w.take(tenant, id) {
				continue
			}
			w.sending.Go(func() {
				defer w.give(tenant, id)
				w.tell(ctx, tenant, id)
			})
		}
	}
}

// mayTry reports whether it is time to try the first delivery that waits for a webhook.
func mayTry(state *catalogue.State, tenant model.TenantID, id string, q *webhook.Queue, now int64) bool {
	if q.NextTry <= now {
		return true
	}
	var first webhook.Delivery
	there, err := read(state, kindDelivery, tenant, webhook.DeliveryKey(id, q.First), &first)
	return err != nil || !there || q.Due(&first) <= now // what was lost is left behind
}

// take reserves a webhook, if there is a sender for it.
func (w *Watcher) take(tenant model.TenantID, id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	mine, prefix := 0, string(tenant)+"/"
	for key := range w.busy {
		if strings.HasPrefix(key, prefix) {
			mine++
		}
	}
	if until, there := w.resting[target{tenant, id}]; there && w.Now().Before(until) {
		return false
	}
	delete(w.resting, target{tenant, id})
	if w.busy[prefix+id] || len(w.busy) >= sendersMax || mine >= sendersOfMax {
		return false
	}
	w.busy[prefix+id] = true
	return true
}

func (w *Watcher) give(tenant model.TenantID, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.busy, string(tenant)+"/"+id)
}

// tell sends what waits for a webhook, in its order, until nothing waits or it fails.
func (w *Watcher) tell(ctx context.Context, tenant model.TenantID, id string) {
	for ctx.Err() == nil && w.Leads() {
		state := w.State()
		var q webhook.Queue
		var d webhook.Delivery
		if there, err := read(state, kindQueue, tenant, id, &q); err != nil || !there || q.Waits() == 0 {
			return
		}
		e, there, err := w.endpoint(state, tenant, id)
		if err != nil || !there {
			return
		}
		now := w.Now()
		there, err = read(state, kindDelivery, tenant, webhook.DeliveryKey(id, q.First), &d)
		if err == nil && there && e.Active && q.Due(&d) > now.UnixNano() {
			return
		}
		if err != nil || !there {
			d = webhook.Delivery{Endpoint: id, Number: q.First} // it was lost: go on behind it
		}
		if !there || err != nil || !e.Active || now.UnixNano()-d.Created >= int64(webhook.GiveUpAfter)+int64(time.Hour) {
			if there && err == nil && now.UnixNano()-d.Created < int64(webhook.GiveUpAfter) {
				return // it waits until the webhook is switched on
			}
			if w.note(ctx, tenant, &d, func(q *webhook.Queue, d *webhook.Delivery) { q.GiveUp(d, now.UnixNano()) }, false) != nil {
				return
			}
			continue
		}
		result := w.Sender.Send(ctx, &e, &d, now)
		if ctx.Err() != nil {
			return // it was cut off, and is sent again by who leads then
		}
		w.counts.deliveries.Add(1)
		if result.Error != "" {
			w.counts.failures.Add(1)
		}
		chance := w.Chance()
		if w.note(ctx, tenant, &d, func(q *webhook.Queue, d *webhook.Delivery) { q.Note(d, result.Attempt, result.After, chance) }, result.Gone) != nil || result.Error != "" {
			return
		}
	}
}

// note writes down what became of the delivery that is first in its queue, and forgets
// deliveries that ended long ago.
func (w *Watcher) note(ctx context.Context, tenant model.TenantID, of *webhook.Delivery, how func(*webhook.Queue, *webhook.Delivery), gone bool) error {
	_, err := edit(ctx, w.State, w.Propose, tenant, func(b *batch) error {
		var q webhook.Queue
		if there, err := b.get(kindQueue, of.Endpoint, &q); err != nil || !there || q.First != of.Number {
			return err // it was noted already
		}
		var kept webhook.Delivery
		if there, err := b.get(kindDelivery, webhook.DeliveryKey(of.Endpoint, of.Number), &kept); err == nil && there && kept.ID != of.ID && of.ID != "" {
			return nil // the webhook was made anew meanwhile: this is another delivery
		}
		d := *of
		how(&q, &d)
		if d.ID != "" {
			if err := b.put(kindDelivery, webhook.DeliveryKey(d.Endpoint, d.Number), &d); err != nil {
				return err
			}
		}
		if q.First > webhook.KeptMax {
			oldest := webhook.DeliveryKey(d.Endpoint, q.First-webhook.KeptMax)
			for _, id := range b.state.DocumentIDs(kindDelivery, tenant) {
				if strings.HasPrefix(id, d.Endpoint+":") && id < oldest && b.room(4, 0) {
					b.drop(kindDelivery, id)
				}
			}
		}
		if gone {
			var e webhook.Endpoint
			if there, err := b.get(kindWebhook, of.Endpoint, &e); err == nil && there && e.Active {
				e.Active, e.Why = false, "it answered 410 Gone"
				if err := b.put(kindWebhook, e.ID, &e); err != nil {
					return err
				}
			}
		}
		return b.put(kindQueue, of.Endpoint, &q)
	})
	if err != nil && ctx.Err() == nil {
		w.mu.Lock()
		w.resting[target{tenant, of.Endpoint}] = w.Now().Add(pauseLong) // else it is sent again at once, and again
		w.mu.Unlock()
		w.Logger.Warn("what became of a delivery is not written down; it may be sent again", "tenant", tenant, "webhook", of.Endpoint, "error", err)
	}
	return err
}

// dropWebhook plans the end of a webhook with all that waits for it.
func (b *batch) dropWebhook(id string) {
	b.drop(kindWebhook, id)
	if b.state.Document(kindQueue, b.tenant, id).Version != 0 {
		b.drop(kindQueue, id)
	}
	for _, key := range b.state.DocumentIDs(kindDelivery, b.tenant) {
		if strings.HasPrefix(key, id+":") && len(b.changes) < catalogue.ChangesMax {
			b.drop(kindDelivery, key)
		}
	}
}
