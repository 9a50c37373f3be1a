"""`nn.functional` against PyTorch's: values, gradients, errors and warnings of every function."""

import numpy as np
import pytest
from expressions import agree, same_errors, same_warnings

RNG = np.random.default_rng(0)


def real(*shape, low=-2.0, high=2.0):
    return RNG.uniform(low, high, shape)


ARRAYS = {
    "x": real(3, 4),
    "y": real(3, 4),
    "z": real(3, 4),
    "v": real(4), "v_": real(4, low=0.2),
    "s": np.array(0.7),
    "im": real(2, 4, 6, 5),  # N C H W
    "seq": real(2, 4, 6),  # N C L
    "vol": real(2, 2, 4, 3, 4),  # N C D H W
    "p": real(3, 4, low=0.05, high=0.95),
    "q": real(3, 4, low=0.05, high=0.95),
    "pos": real(3, 4, low=0.2, high=3.0),
    "w4": real(4, low=0.2, high=2.0),
    "w_": real(4, low=0.2, high=2.0),
    "b4": real(4),
    "c": np.array([1, 0, 3]),
    "ci": np.array([1, -100, 3]),
    "c2": np.array([[1, 0, 3, 2, 2, 0], [2, -100, 1, 0, 3, 3]]),
    "c3": RNG.integers(0, 4, (2, 6, 5)),
    "sign": np.array([1.0, -1.0, 1.0]),
    "sign_": np.array([1.0, -1.0, 1.0]),
    "signs_": np.where(RNG.random((3, 4)) > 0.5, 1.0, -1.0),
    "labels": np.array([[3, 0, -1, 1], [2, -1, 0, 0], [1, 1, 0, 3]]),
    "bits_": (RNG.random((3, 4)) > 0.5).astype(np.float64),
    "m_": real(4),
    "r_": real(4, low=0.3, high=2.0),
    "table": real(6, 3),
    "i": np.array([[1, 0], [5, 1]]),
    "flat": np.array([1, 2, 4, 5, 4, 3]),
    "off": np.array([0, 2, 2]),
    "psw": real(6),
    "qq": real(2, 4, 5, 6), "kk": real(2, 4, 7, 6), "vv": real(2, 4, 7, 3), "k2": real(2, 2, 7, 6), "v2": real(2, 2, 7, 3),
    "kq": real(2, 4, 5, 6),
    "mask": RNG.random((5, 7)) > 0.4,
    "fmask_": np.where(RNG.random((5, 7)) > 0.4, 0.3, -np.inf),
    "k2d": real(3, 4, 3, 2), "k1d": real(3, 4, 3), "bias3": real(3),
    "theta": real(2, 2, 3), "grid": real(2, 3, 3, 2, low=-1.1, high=1.1),
}  # fmt: skip
ARRAYS["mask"][2] = False  # a query that may attend to nothing
ARRAYS["fmask_"][1] = -np.inf

GROUPS = {
    "activations": """
        F.relu(x)  F.relu(x*1,True)  F.relu6(x*4)  F.relu6(x*4,inplace=True)  F.hardtanh(x,-0.5,0.7)
        F.leaky_relu(x,0.2)  F.leaky_relu(x*1,0.2,True)  F.elu(x,1.5)  F.elu(x*1,1.5,True)  F.selu(x)  F.celu(x,0.7)
        F.gelu(x)  F.gelu(x,approximate='tanh')  F.silu(x)  F.mish(x)  F.hardswish(x*3)  F.hardsigmoid(x*3)
        F.threshold(x,0.1,20.)  F.softplus(x,2,1)  F.softsign(x)  F.softshrink(x,0.3)  F.hardshrink(x)  F.tanhshrink(x)
        F.logsigmoid(x)  F.sigmoid(x)  F.tanh(x)  F.glu(x)  F.glu(x,1)  F.prelu(x,w4)  F.rrelu(x,.1,.3)
        F.relu_(x*1)  F.elu_(x*1)  F.leaky_relu_(x*1,0.3)  F.hardtanh_(x*1)  F.threshold_(x*1,.1,2.)  F.selu_(x*1)
        F.celu_(x*1)  torch.selu(x)  torch.celu(x)  torch.threshold(x,.1,2.)  F.silu(x*1,inplace=True)
        F.softmax(x,1)  F.softmax(x,dim=0)  F.softmax(x)  F.log_softmax(x,-1)  F.softmin(x,1)  F.softmax(x,1,dtype=torch.float32)
        F.log_softmax(x.float(),1,dtype=torch.float64)  F.dropout(x,0.5,training=False)  F.dropout(x,0.)  F.dropout(x,1.)
        F.alpha_dropout(x,.3)  F.dropout2d(im,1.)
    """,
    "class losses": """
        F.cross_entropy(x,c)  F.cross_entropy(x,ci,reduction='none')  F.cross_entropy(x,c,weight=w_)  F.cross_entropy(x,c,w_,reduction='sum')
        F.cross_entropy(x,c,label_smoothing=.2)  F.cross_entropy(x,ci,weight=w_,label_smoothing=.2)  F.cross_entropy(x,ci,label_smoothing=.2,reduction='none')
        F.cross_entropy(x,ci,label_smoothing=.2,reduction='sum')  F.cross_entropy(x,c,ignore_index=3,label_smoothing=.1)
        F.cross_entropy(x,p)  F.cross_entropy(x,p,weight=w_,reduction='none')  F.cross_entropy(x,p,label_smoothing=.3,reduction='sum')
        F.cross_entropy(x,p,weight=w_)  F.cross_entropy(seq,c2)  F.cross_entropy(seq,c2,w_,reduction='none')  F.cross_entropy(im,c3,label_smoothing=.1)
        F.cross_entropy(im,c3,w_)  F.cross_entropy(v,torch.tensor(2))  F.cross_entropy(v,w4)  F.cross_entropy(seq,seq.detach().softmax(1),w_)
        F.cross_entropy(x,c,size_average=False)  F.nll_loss(x,c)  F.nll_loss(x,ci,w_)  F.nll_loss(seq,c2)  F.nll_loss(im,c3,reduction='sum')  F.nll_loss(v,torch.tensor(1))
        F.multi_margin_loss(x,c)  F.multi_margin_loss(x,c,p=2,margin=.5,weight=w_,reduction='none')  F.multilabel_margin_loss(x,labels)
        F.multilabel_soft_margin_loss(x,bits_)  F.multilabel_soft_margin_loss(x,bits_,w_,reduction='none')  F.multilabel_soft_margin_loss(x,bits_,reduction='sum')
    """,
    "element losses": """
        F.mse_loss(x,y)  F.mse_loss(x,y,reduction='none')  F.mse_loss(x,v)  F.mse_loss(x,y,weight=pos)  F.mse_loss(x,y,weight=pos,reduction='sum')  F.mse_loss(x,y,reduce=False)
        F.l1_loss(x,y)  F.l1_loss(x,y,weight=pos)  F.smooth_l1_loss(x,y,beta=.7)  F.smooth_l1_loss(x,y,beta=0.)  F.huber_loss(x,y,delta=.5)  F.huber_loss(x,y,weight=pos)
        F.huber_loss(x,y,'none')  F.soft_margin_loss(x,signs_)  F.binary_cross_entropy(p,q)  F.binary_cross_entropy(p,bits_,w_,reduction='none')
        F.binary_cross_entropy_with_logits(x,q)  F.binary_cross_entropy_with_logits(x,bits_,w_,pos_weight=v_)  F.binary_cross_entropy_with_logits(x,q,reduction='sum',pos_weight=w_)
        F.kl_div(x,p)  F.kl_div(x,p,reduction='batchmean')  F.kl_div(x,y,log_target=True,reduction='sum')
        F.poisson_nll_loss(x,pos)  F.poisson_nll_loss(pos,q,log_input=False)  F.poisson_nll_loss(x,pos*3,full=True,reduction='none')
        F.gaussian_nll_loss(x,y,pos)  F.gaussian_nll_loss(x,y,pos[:,0])  F.gaussian_nll_loss(x,y,pos[:,:1],full=True,reduction='none')  F.gaussian_nll_loss(x,y,1.5,reduction='sum')
        F.gaussian_nll_loss(x,y,pos*1e-8)
    """,
    "distances": """
        F.cosine_similarity(x,y)  F.cosine_similarity(x,v,dim=-1)  F.cosine_similarity(x*0,y)  F.pairwise_distance(x,y)  F.pairwise_distance(x,v,p=1,keepdim=True)  F.pairwise_distance(x,y,p=3)
        F.normalize(x)  F.normalize(x,p=1,dim=0)  F.normalize(x*0)  F.normalize(x,dim=(0,1))  F.pdist(x)  F.pdist(x,1)  F.pdist(x,3.)
        F.cosine_embedding_loss(x,y,sign_,margin=.1)  F.cosine_embedding_loss(v,w4,torch.tensor(-1.))  F.cosine_embedding_loss(x,y,sign_,reduction='none')
        F.margin_ranking_loss(x,y,signs_,margin=.2)  F.margin_ranking_loss(x,y,signs_,reduction='none')  F.hinge_embedding_loss(x,signs_)  F.hinge_embedding_loss(x,signs_,margin=.3,reduction='sum')
        F.triplet_margin_loss(x,y,z)  F.triplet_margin_loss(x,y,z,swap=True,p=1,reduction='none')  F.triplet_margin_with_distance_loss(x,y,z)
        F.triplet_margin_with_distance_loss(x,y,z,distance_function=lambda a,b:1-F.cosine_similarity(a,b),swap=True,reduction='sum')
        torch.pairwise_distance(x,y)  torch.cosine_similarity(x,y,0)
    """,
    "norms": """
        F.layer_norm(x,(4,),w4,b4)  F.layer_norm(x,[4])  F.group_norm(im,2,w4,b4)  F.rms_norm(x,(4,),w4)
        F.batch_norm(x,m_,r_,w4,b4,training=True)  F.batch_norm(im,m_,r_,w4,b4)  F.batch_norm(im,None,None,training=True,eps=.1)
        F.batch_norm(seq,m_,r_,training=True,momentum=.3)  (F.batch_norm(im,m_,r_,w4,b4,True),m_,r_)  (F.batch_norm(im,m_,r_,w4,b4,True,0.4),m_,r_)
        F.instance_norm(im)  F.instance_norm(im,None,None,w4,b4)  (F.instance_norm(im,m_,r_,w4,b4),m_,r_)  F.instance_norm(seq,m_,r_,use_input_stats=False)
        F.local_response_norm(im,2)  F.local_response_norm(seq,3,alpha=.1,beta=.5,k=2.)  F.local_response_norm(vol,2,alpha=.1)
    """,
    "pools": """
        F.max_pool2d(im,2)  F.max_pool2d(im,3,2,1,ceil_mode=True)  F.max_pool2d(im,(2,3),stride=(2,1),return_indices=True)  F.max_pool1d(seq,2)  F.max_pool1d(seq,3,1,1,2,False,True)
        F.max_pool3d(vol,2)  F.max_pool2d_with_indices(im,2)  F.avg_pool2d(im,2)  F.avg_pool2d(im,3,2,1,True,False)  F.avg_pool1d(seq,2)  F.avg_pool3d(vol,2)  F.avg_pool2d(im,2,divisor_override=3)
        F.adaptive_avg_pool2d(im,(3,2))  F.adaptive_avg_pool2d(im,(None,2))  F.adaptive_avg_pool1d(seq,4)  F.adaptive_avg_pool3d(vol,2)  F.adaptive_max_pool2d(im,3)  F.adaptive_max_pool2d(im,(3,2),return_indices=True)
        F.adaptive_max_pool1d(seq,4)  F.adaptive_max_pool3d(vol,2)  F.lp_pool2d(im,2,2)  F.lp_pool2d(im,3.,(2,3),stride=1)  F.lp_pool1d(seq,2,3)  F.lp_pool2d(im,float('inf'),2)  F.lp_pool3d(vol,2,2)
        F.max_unpool2d(*F.max_pool2d(im[...,:4],2,return_indices=True),2)  F.max_unpool1d(*F.max_pool1d(seq,2,return_indices=True),2)  F.max_unpool2d(*F.max_pool2d(im,2,return_indices=True),2,output_size=(2,4,6,5))
        F.unfold(im,(2,3))  F.unfold(im,2,2,1,2)  F.fold(F.unfold(im,2,padding=1),(6,5),2,padding=1)  torch.max_pool2d(im,2)
    """,
    "convolutions": """
        F.conv2d(im,k2d,bias3)  F.conv2d(im,k2d,stride=2,padding=1)  F.conv2d(im,k2d,padding='same')  F.conv2d(im,k2d,padding='valid',dilation=(1,2))  F.conv1d(seq,k1d,bias3,padding=1)
        F.conv1d(seq,k1d,padding='same')  torch.conv1d(seq,k1d)  F.conv_transpose2d(im[:,:3],k2d,stride=2)  F.linear(x,y,sign)  F.linear(v,x)  F.bilinear(x,y,k1d.transpose(1,2).reshape(3,3,4)[:,:,:1].expand(3,3,4)[:, [0,1,2,0]],bias3)
    """,
    "embeddings": """
        F.embedding(i,table)  F.embedding(i,table,padding_idx=1)  F.embedding(i,table,padding_idx=-1)  F.embedding(i,table,scale_grad_by_freq=True)
        F.embedding_bag(i,table)  F.embedding_bag(i,table,mode='sum')  F.embedding_bag(i,table,mode='max')  F.embedding_bag(flat,table,off)  F.embedding_bag(flat,table,off,mode='sum',per_sample_weights=psw)
        F.embedding_bag(flat,table,off,mode='max')  F.embedding_bag(i,table,padding_idx=1)  F.embedding_bag(i,table,padding_idx=1,mode='max')  F.embedding_bag(flat,table,off,include_last_offset=True)
        F.one_hot(c)  F.one_hot(c,6)  F.one_hot(i)
    """,
    "attention": """
        F.scaled_dot_product_attention(qq,kk,vv)  F.scaled_dot_product_attention(qq,kk,vv,mask)  F.scaled_dot_product_attention(qq,kk,vv,fmask_)  F.scaled_dot_product_attention(qq,kk,vv,is_causal=True)
        F.scaled_dot_product_attention(qq,kq,kq,is_causal=True,scale=.3)  F.scaled_dot_product_attention(qq,k2,v2,enable_gqa=True)  F.scaled_dot_product_attention(x,y,z)
    """,
    "resizing": """
        F.pad(x,(1,2))  F.pad(x,(1,2),value=3.)  F.pad(x,(1,-1,0,2))  F.pad(im,(1,2,2,1),mode='reflect')  F.pad(im,(1,2,2,1),'replicate')  F.pad(im,(1,2,2,1),'circular')  F.pad(x,(2,1),'reflect')  F.pad(vol,(1,1,1,1,1,1),'replicate')
        F.interpolate(im,scale_factor=2)  F.interpolate(im,size=(3,7))  F.interpolate(im,size=4,mode='bilinear')  F.interpolate(im,scale_factor=1.5,mode='bilinear')  F.interpolate(im,scale_factor=1.5,mode='bilinear',align_corners=True)
        F.interpolate(im,scale_factor=(1.5,.7),mode='bicubic')  F.interpolate(seq,scale_factor=1.7,mode='linear',recompute_scale_factor=True)  F.interpolate(im,scale_factor=.5,mode='area')  F.interpolate(vol,size=(3,2,5),mode='trilinear')
        F.interpolate(im,scale_factor=1.3,mode='nearest-exact')  F.upsample(im,scale_factor=2)  F.upsample_nearest(im,scale_factor=2)  F.upsample_bilinear(im,scale_factor=2)
        F.pixel_shuffle(im,2)  F.pixel_unshuffle(im[...,:4],2)  F.channel_shuffle(im,2)  F.grid_sample(im,grid)  F.grid_sample(im,grid,'nearest','border',True)  F.affine_grid(theta,(2,1,3,4),align_corners=False)
    """,
}


def cases(text):
    return [code.strip() for code in text.replace("\n", "  ").split("  ") if code.strip()]


@pytest.mark.parametrize("group", GROUPS)
def test_values_and_gradients(group):
    agree(cases(GROUPS[group]), ARRAYS)


SMALL = {
    "x": real(2, 3), "z3_": np.zeros(3), "x3_": np.zeros((2, 3, 4)), "one": np.ones((2, 3)), "c": np.array([0, 7]),
    "neg": np.array([0, -1]), "ok": np.array([0, 1]), "m": np.zeros((2, 2)), "t": np.zeros((3, 2)), "n": np.zeros(3),
}  # fmt: skip

ERRORS = """
    F.rrelu(x,.5,.1)  F.hardtanh(x,1,-1)  F.dropout(x,1.5)  F.alpha_dropout(x,2)  F.dropout1d(z3_,.5)  F.dropout(x,-.1)
    F.cross_entropy(x,c)  F.cross_entropy(x,neg)  F.cross_entropy(x,ok,label_smoothing=2.)  F.cross_entropy(x,torch.tensor([[1,1,1],[1,1,1]]))
    F.cross_entropy(x,torch.tensor([0,1,1]))  F.cross_entropy(x,one.detach(),weight=torch.ones(2))  F.cross_entropy(x,ok,reduction='foo')
    F.cross_entropy(x3_,torch.zeros(2,5).long())  F.nll_loss(x,c)  F.nll_loss(x3_,torch.full((2,4),9)*1 if False else torch.tensor([[9]*4]*2))
    F.multi_margin_loss(x,c)  F.multilabel_margin_loss(x,torch.tensor([[0,7,1],[0,1,1]]))  F.binary_cross_entropy(x,one.detach())
    F.binary_cross_entropy(one,x.detach())  F.binary_cross_entropy(one,m)  F.binary_cross_entropy_with_logits(x,m)  F.mse_loss(x,one,weight=z3_)
    F.smooth_l1_loss(x,one,beta=-1)  F.kl_div(x,one,reduction='foo')  F.mse_loss(x,one,reduction='foo')  F.poisson_nll_loss(x,one,reduction='foo')
    F.gaussian_nll_loss(x,x,torch.tensor([[-1.,1,1],[1,1,1]]))  F.gaussian_nll_loss(x,x,torch.ones(5))  F.gaussian_nll_loss(x,x,-1.)  F.gaussian_nll_loss(x,x,1.,reduction='foo')
    F.cosine_embedding_loss(x,x,torch.tensor(1.))  F.cosine_embedding_loss(x,x,m)  F.cosine_embedding_loss(x,z3_,torch.ones(2))  F.margin_ranking_loss(x,x,torch.ones(2))
    F.margin_ranking_loss(x,x,one,reduction='foo')  F.triplet_margin_loss(x,x,x,margin=0)  F.triplet_margin_loss(x,x,z3_)  F.pairwise_distance(x,m)  F.cosine_similarity(x,m)
    F.embedding(torch.tensor([0,9]),t)  F.embedding(torch.tensor([0,-1]),t)  F.embedding(torch.tensor([1.]),t)  F.embedding(ok,t,padding_idx=5)
    F.one_hot(torch.tensor([1,-1]))  F.one_hot(torch.tensor([1,3]),2)  F.one_hot(torch.tensor([],dtype=torch.int64))  F.one_hot(ok,0)  F.one_hot(x)
    F.embedding_bag(ok,t)  F.embedding_bag(torch.tensor([0,9]),t.float(),torch.tensor([0]))  F.embedding_bag(ok,t,ok,mode='foo')  F.embedding_bag(torch.tensor([[1]]),t,ok)
    F.batch_norm(x[:1],z3_,z3_,training=True)  F.batch_norm(x,None,None)  F.batch_norm(x,z3_,None)  F.batch_norm(x,m[0].detach(),z3_)  F.batch_norm(x,z3_,z3_,training=True,eps=0)
    F.batch_norm(x,n,z3_,training=True)  F.instance_norm(x3_[:,:,:1])  F.instance_norm(x)  F.instance_norm(x3_,use_input_stats=False)  F.instance_norm(x3_,z3_)
    F.local_response_norm(x,2)  F.group_norm(x,2)  F.layer_norm(x,(2,))
    F.scaled_dot_product_attention(x,x,x,m.detach(),is_causal=True)  F.scaled_dot_product_attention(z3_,z3_,z3_)  F.scaled_dot_product_attention(x,x,x,torch.ones(2,2).long())  F.scaled_dot_product_attention(x,x,x,dropout_p=2.)
    F.interpolate(x3_)  F.interpolate(x3_,size=3,scale_factor=2)  F.interpolate(x3_,size=(3,3))  F.interpolate(x3_,scale_factor=2,mode='bilinear')  F.interpolate(x3_,scale_factor=2,mode='foo')
    F.interpolate(x3_,scale_factor=2,align_corners=True)  F.interpolate(x,scale_factor=2)  F.interpolate(x3_,scale_factor=(2,2))  F.interpolate(x3_,size=3,recompute_scale_factor=True)
    F.pad(x,(1,1),mode='foo')  F.pad(x,(1,1),mode='reflect',value=3.)  F.pad(x3_,(1,1,1),mode='reflect')  F.pad(z3_,(1,1),mode='reflect')  F.pad(z3_,(1,1,1,1))  F.pad(x,(5,5),mode='reflect')
    F.triplet_margin_with_distance_loss(x,x,x,margin=-1.)  F.hinge_embedding_loss(x,x,reduction='foo')  F.multilabel_soft_margin_loss(x,x,reduction='foo')
    F.max_pool2d(x,2)  F.max_pool1d(x,5)  F.conv2d(x3_,x3_)  F.linear(x,m)  F.glu(x)  F.gumbel_softmax(ok)
"""

WARNINGS = """
    F.softmax(x)  F.log_softmax(x)  F.softmin(x3_)  F.mse_loss(x,z3_)  F.l1_loss(x,z3_)  F.smooth_l1_loss(x,z3_)  F.huber_loss(x,z3_)  F.kl_div(x,one)  F.cross_entropy(x,ok,size_average=False)
    F.mse_loss(x,one,reduce=False)  F.dropout2d(x3_)  F.dropout2d(x)  F.dropout3d(x)  F.upsample(x3_,scale_factor=2)  F.grid_sample(x3_[None],torch.zeros(1,2,2,2,dtype=torch.float64))
    F.gumbel_softmax(x,eps=1e-5)
"""


def test_errors():
    same_errors(cases(ERRORS), SMALL)


def test_warnings():
    same_warnings(cases(WARNINGS), SMALL)


MHA = {
    "q": real(5, 2, 6), "k": real(7, 2, 6), "v": real(7, 2, 6), "u": real(5, 6), "w": real(18, 6), "b": real(18), "o": real(6, 6),
    "ob": real(6), "bk": real(1, 1, 6), "bv": real(1, 1, 6), "pad": np.array([[False] * 6 + [True], [False] * 5 + [True] * 2]),
    "am": RNG.random((5, 7)) > 0.7, "cm": np.triu(np.ones((5, 5), bool), 1), "am3_": real(4, 5, 7), "padf_": np.where(RNG.random((2, 7)) > 0.7, -np.inf, 0.0),
}  # fmt: skip
MHA["am"][:, 0] = False
MHA["padf_"][:, 0] = 0.0
HEAD = "F.multi_head_attention_forward"

HEADS = f"""
    {HEAD}(q,k,v,6,2,w,b,None,None,False,0.,o,ob)
    {HEAD}(q,k,v,6,2,w,b,None,None,False,0.,o,ob,need_weights=False)
    {HEAD}(q,q,q,6,3,w,None,None,None,False,0.,o,None,average_attn_weights=False)
    {HEAD}(q,k,k,6,2,w,b,None,None,False,0.,o,ob,attn_mask=am)
    {HEAD}(q,k,v,6,2,w,b,None,None,False,0.,o,ob,attn_mask=am,key_padding_mask=pad)
    {HEAD}(q,k,v,6,2,w,b,None,None,False,0.,o,ob,attn_mask=am3_,key_padding_mask=padf_,need_weights=False)
    {HEAD}(q,k,v,6,2,w,b,bk,bv,True,0.,o,ob,key_padding_mask=pad,attn_mask=am)
    {HEAD}(q,q,q,6,2,w,b,None,None,False,0.,o,ob,attn_mask=cm,is_causal=True,need_weights=False)
    {HEAD}(u,u,u,6,2,w,b,None,None,False,0.,o,ob)
    {HEAD}(u,u,u,6,2,w,b,None,None,False,0.9,o,ob,training=False)
    {HEAD}(q,k,v,6,2,None,b,None,None,False,0.,o,ob,use_separate_proj_weight=True,q_proj_weight=w[:6],k_proj_weight=w[6:12],v_proj_weight=w[12:])
"""


def test_many_heads():
    agree(cases(HEADS), MHA)
