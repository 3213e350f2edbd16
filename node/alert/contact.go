package alert

import (
	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
	"github.com/stere-log/stere/triage"
	"github.com/stere-log/stere/webhook"
)

// contactID names the queue of what the contact of a tenant is told. No webhook can have
// such an id.
const contactID = "CONTACT"

// contact is whom the account of a tenant names, as a webhook that sends e-mail about
// quotas. It is not active where there is none, or no e-mail is sent.
func (w *Watcher) contact(state *catalogue.State, tenant model.TenantID) webhook.Endpoint {
	address := state.Accounts[tenant].Contact
	return webhook.Endpoint{
		ID: contactID, URL: "mailto:" + address, Template: webhook.Email, Events: []string{triage.EventQuota},
		Active: address != "" && w.Mail.Server != "" && !leaves(state, tenant),
	}
}

// endpoint returns a webhook of a tenant, or its contact.
func (w *Watcher) endpoint(state *catalogue.State, tenant model.TenantID, id string) (e webhook.Endpoint, there bool, err error) {
	if id == contactID {
		return w.contact(state, tenant), true, nil
	}
	there, err = read(state, kindWebhook, tenant, id, &e)
	return e, there, err
}

// paused reports whether what is to be told to a tenant's webhooks waits: the operator, or
// what is agreed with the tenant, has switched them off.
func (w *Watcher) paused(state *catalogue.State, tenant model.TenantID) bool {
	return w.NoWebhooks || off(state, tenant, func(t *access.Terms) *bool { return t.Webhooks })
}

// off reports whether the terms of a tenant leave something out. Who has no account has
// everything.
func off(state *catalogue.State, tenant model.TenantID, feature func(*access.Terms) *bool) bool {
	account, there := state.Accounts[tenant]
	if !there {
		return false
	}
	terms := account.All()
	return !*feature(&terms)
}
