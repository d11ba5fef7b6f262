package sandbox

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// page reads page and per_page as deviceauth and inventory do.
func (c *call) page() (page, perPage int, ok bool) {
	read := func(name string, fallback int) int {
		text := c.r.URL.Query().Get(name)
		if text == "" {
			return fallback
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			c.fail(http.StatusBadRequest, "invalid "+name+" query: value must be a non-zero positive integer")
			return 0
		}
		return n
	}
	if page = read("page", 1); page == 0 {
		return 0, 0, false
	}
	if perPage = read("per_page", defaultPerPage); perPage == 0 {
		return 0, 0, false
	}
	if perPage > maxPerPage {
		c.fail(http.StatusBadRequest, `parameter "per_page" above limit (max: 500)`)
		return 0, 0, false
	}
	return page, perPage, true
}

// link sets the Link header; last is 0 if there is none.
func (c *call) link(page, perPage int, more bool, last int) {
	query := c.r.URL.Query()
	if !query.Has("per_page") {
		query.Set("per_page", strconv.Itoa(perPage))
	}
	var links []string
	to := func(rel string, page int) {
		query.Set("page", strconv.Itoa(page))
		links = append(links, "<"+(&url.URL{Path: c.r.URL.Path, RawQuery: query.Encode()}).String()+`>; rel="`+rel+`"`)
	}
	to("first", 1)
	if page > 1 {
		to("prev", page-1)
	}
	if more {
		to("next", page+1)
	}
	if last > 0 {
		to("last", last)
	}
	c.w.Header().Set("Link", strings.Join(links, ", "))
}
