# Writes session.json by the formats in the package comment, with nothing of Trent: python3 session.py > session.json
# needs the package cryptography (48.0.0 made the file that is here).
import hmac, hashlib, json, struct
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
H=lambda k,*p: hmac.new(k,b"".join(p),hashlib.sha256).digest()
def kdf(k,label,ctx): return H(k,b"\0\0\0\1",label,b"\0",ctx,b"\0\0\1\0")
sk=bytes(range(32)); host=bytes([0x11])*32; mod=bytes([0x22])*32; hr=bytes([0x33])*32; mr=bytes([0x44])*32; dom=bytes(range(0xa0,0xb0))
ends=host+mod+hr+mr+dom
to_m=kdf(sk,b"trent session connection",b"\1"+ends)
to_h=kdf(sk,b"trent session connection",b"\2"+ends)
opened=b"open message"; proved=b"accept message"
op=H(kdf(sk,b"trent session open",host),opened)
ap=H(kdf(sk,b"trent session accept",b"\0"+ends),opened,proved)
ecdh=bytes(range(48)); kem=bytes(range(100,132)); tr=bytes(range(200,248))
agree=lambda kem: H(b"\0"*64,b"\0\0\0\1",ecdh,kem,b"trent session agreement\0",tr)
def env(key,d,n,pt):
    nonce=b"\0"*4+struct.pack(">Q",n)
    return b"\1"+nonce+AESGCM(key).encrypt(nonce,pt,bytes([1,d])+struct.pack(">QI",n,len(pt)))
v=dict(session_key=sk.hex(),host=host.hex(),module=mod.hex(),host_random=hr.hex(),module_random=mr.hex(),domain=dom.hex(),
 key_to_module=to_m.hex(),key_to_host=to_h.hex(),open_proved=opened.hex(),open_proof=op.hex(),accept_proved=proved.hex(),accept_proof=ap.hex(),
 ecdh=ecdh.hex(),kem=kem.hex(),transcript=tr.hex(),agreed_classical=agree(b"").hex(),agreed_hybrid=agree(kem).hex(),
 plaintexts=["", b"second".hex()],
 envelopes_to_module=[env(to_m,1,i,p).hex() for i,p in enumerate([b"",b"second"])],
 envelopes_to_host=[env(to_h,2,i,p).hex() for i,p in enumerate([b"",b"second"])])
print(json.dumps(v,indent=2))
