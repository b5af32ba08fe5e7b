package environment

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/registry/client"
	"github.com/lockstep-mesh/lockstep/registry/nativeapi"
	"github.com/lockstep-mesh/lockstep/registry/presence"
)

// startPresence begins to take down who reads and writes which schema versions
// here. A leaf tells the primary too, so that one place knows of all environments.
func (e *Environment) startPresence(ctx context.Context) error {
	nc, err := e.connect(e.node.Connect, "presence")
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	options := presence.Options{Environment: e.is.Name, Logger: e.config.Logger}
	if e.config.RegistryPrimary != "" && !e.registry.Writable() {
		if e.primary, err = client.New(e.config.RegistryPrimary, client.WithAttempts(1)); err != nil {
			return err
		}
		options.Pass = func(ctx context.Context, s presence.Sighting) error {
			return e.primary.ReportConsumer(ctx, client.Consumer{
				Subject: s.Subject, Name: s.Name, Role: string(s.Role), Environment: s.Environment, Version: s.Version,
			})
		}
	}
	if e.presence, err = presence.Open(ctx, js, options); err != nil {
		return err
	}
	apps, err := e.connect(e.node.ConnectApplications, "presence")
	if err != nil {
		return err
	}
	e.reports, err = presence.Listen(apps, e.presence, nativeapi.Known(e.registry), e.config.Logger)
	return err
}

// closePresence ends the taking down, first of new reports.
func (e *Environment) closePresence() {
	if e.reports != nil {
		e.reports.Close()
	}
	if e.presence != nil {
		e.presence.Close()
	}
	if e.primary != nil {
		e.primary.Close()
	}
}
