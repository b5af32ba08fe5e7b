package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// DeleteVersion deletes one version of a subject: softly, or, once it is
// deleted softly, for good.
func (c *Client) DeleteVersion(ctx context.Context, subject string, number int, permanent bool) error {
	var deleted int
	return c.call(ctx, http.MethodDelete, "/subjects/"+url.PathEscape(subject)+"/versions/"+strconv.Itoa(number)+"?permanent="+strconv.FormatBool(permanent), nil, &deleted)
}

// DeleteSubject deletes all versions of a subject, softly or for good, and
// returns their numbers.
func (c *Client) DeleteSubject(ctx context.Context, subject string, permanent bool) ([]int, error) {
	var numbers []int
	err := c.call(ctx, http.MethodDelete, "/subjects/"+url.PathEscape(subject)+"?permanent="+strconv.FormatBool(permanent), nil, &numbers)
	return numbers, err
}

// Compatibility is the level that holds for a subject, or for all (""):
// BACKWARD, FULL_TRANSITIVE and so on.
func (c *Client) Compatibility(ctx context.Context, subject string) (string, error) {
	var config struct {
		Level string `json:"compatibilityLevel"`
	}
	err := c.call(ctx, http.MethodGet, setting("config", subject)+"?defaultToGlobal=true", nil, &config)
	return config.Level, err
}

// SetCompatibility sets the level of a subject, or of all ("").
func (c *Client) SetCompatibility(ctx context.Context, subject, level string) error {
	var echo struct{}
	return c.call(ctx, http.MethodPut, setting("config", subject), map[string]string{"compatibility": level}, &echo)
}

// Mode is the mode that holds for a subject, or for all (""): READWRITE,
// READONLY or IMPORT.
func (c *Client) Mode(ctx context.Context, subject string) (string, error) {
	var mode struct {
		Mode string `json:"mode"`
	}
	err := c.call(ctx, http.MethodGet, setting("mode", subject)+"?defaultToGlobal=true", nil, &mode)
	return mode.Mode, err
}

// SetMode sets the mode of a subject, or of all (""). To import where there are
// versions already has to be forced.
func (c *Client) SetMode(ctx context.Context, subject, mode string, force bool) error {
	var echo struct{}
	return c.call(ctx, http.MethodPut, setting("mode", subject)+"?force="+strconv.FormatBool(force), map[string]string{"mode": mode}, &echo)
}

func setting(kind, subject string) string {
	if subject == "" {
		return "/" + kind
	}
	return "/" + kind + "/" + url.PathEscape(subject)
}
