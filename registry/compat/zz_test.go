package compat
import "testing"
func TestZ(t *testing.T){ bundles:=github(t); m:=0
 for _,b:=range bundles { wider := changed(t, b, bundles, func(s map[string]any) { s["title"]="x"; if p,ok:=s["properties"].(map[string]any);ok{p["q"]=map[string]any{"type": "string"}} })
 r,_:=wider.Link(); w,_:=b.Link(); c:=newCheck(r.Schema,w.Schema,Gated); v:=c.run(); if v.Result!=Compatible {t.Log(v)}; if c.steps>m {m=c.steps}
 c=newCheck(w.Schema,r.Schema,Strict); c.run(); if c.steps>m {m=c.steps}
 }
 t.Log(m)
}
