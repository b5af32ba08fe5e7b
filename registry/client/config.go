package client

import (
	"context"
	"net/http"
	"net/url"
)

// Config is what is configured for a subject's compatibility.
type Config struct {
	Level  string `json:"compatibilityLevel"`
	Policy string `json:"compatibilityPolicy"` // GATED, STRICT, LENIENT; empty where the registry says nothing of it
	Group  string `json:"compatibilityGroup"`
}

// Config is the configuration that holds for a subject: its own, or the one of all.
func (c *Client) Config(ctx context.Context, subject string) (Config, error) {
	var config Config
	err := c.call(ctx, http.MethodGet, "/config/"+url.PathEscape(subject)+"?defaultToGlobal=true", nil, &config)
	return config, err
}
