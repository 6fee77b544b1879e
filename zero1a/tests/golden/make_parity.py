"""Small random networks of the public classes, what they take and what they give: the golden files of parity.rs.

Of diffusers: AutoencoderKL, UNet2DConditionModel (ResnetBlock2D, Transformer2DModel, BasicTransformerBlock, Downsample2D,
Upsample2D), DDIMScheduler, DDIMInverseScheduler. Of transformers: CLIPVisionModelWithProjection. The portrait assembly
(motion modules, mutual self-attention, pose guider) is written here from published names and shapes, on diffusers' blocks.

    make parity-video        # makes them anew and compares
"""
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMInverseScheduler, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

OUT = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
GUIDANCE = 3.5


def randomise(net, scale=1.0):
    """Weights that keep activations near unit size, as half floats so that the files are small."""
    with torch.no_grad():
        for name, p in list(net.named_parameters()) + list(net.named_buffers()):
            if not p.is_floating_point():
                continue
            fan_in = p[0].numel() if p.dim() > 1 else 1
            value = torch.randn_like(p) * (scale / math.sqrt(fan_in) if p.dim() > 1 else 0.2)
            if name.endswith("running_var"):
                value = 1.0 + torch.rand_like(p)
            elif p.dim() == 1 and name.endswith("weight"):
                value = value + 1.0
            p.copy_(value.half().float())
    return net.eval()


def weights(net, prefix="w", skip=()):
    tensors = {k: v for k, v in net.state_dict().items() if v.is_floating_point()}
    return {f"{prefix}.{k}": v.half().contiguous() for k, v in tensors.items() if not any(s in k for s in skip)}


def save(name, tensors):
    save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, OUT / f"{name}.safetensors")


# ---- the public classes ------------------------------------------------------------------------------------------------
def vae_of(widths, groups):
    kinds = len(widths)
    return randomise(AutoencoderKL(
        block_out_channels=widths, layers_per_block=1, latent_channels=4, norm_num_groups=groups,
        down_block_types=["DownEncoderBlock2D"] * kinds, up_block_types=["UpDecoderBlock2D"] * kinds,
        scaling_factor=0.18215,
    ))


def vae():
    net = vae_of([4, 8, 8], 2)
    x = torch.randn(2, 3, 16, 16)
    z = net.encode(x).latent_dist.mean * 0.18215
    save("vae", weights(net) | {"x": x, "z": z, "y": net.decode(z / 0.18215).sample})


def unet_of(widths, groups, layers, context):
    attends = len(widths) - 1
    return randomise(UNet2DConditionModel(
        block_out_channels=widths, layers_per_block=layers, norm_num_groups=groups, cross_attention_dim=context,
        attention_head_dim=2, in_channels=4, out_channels=4,
        down_block_types=["CrossAttnDownBlock2D"] * attends + ["DownBlock2D"],
        up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * attends,
    ))


def unet():
    net = unet_of([8, 16], 4, 2, 12)
    x, t, context = torch.randn(3, 4, 8, 8), torch.tensor([999, 500, 3]), torch.randn(3, 5, 12)
    save("unet", weights(net) | {"x": x, "t": t, "context": context, "y": net(x, t, context).sample})


def clip_of(act, projection):
    return randomise(CLIPVisionModelWithProjection(CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=7,
        projection_dim=projection, hidden_act=act,
    )))


def clip():
    for act in ["quick_gelu", "gelu"]:
        net = clip_of(act, 12)
        x = torch.randn(2, 3, 28, 28)
        save(f"clip_{act}", weights(net) | {"x": x, "y": net(pixel_values=x).image_embeds})


def ddim():
    common = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="linear", prediction_type="v_prediction",
                  rescale_betas_zero_snr=True, timestep_spacing="trailing", clip_sample=False, steps_offset=1)
    down, up = DDIMScheduler(**common), DDIMInverseScheduler(**common)
    down.set_timesteps(25)
    up.set_timesteps(25)
    x, v = torch.randn(25, 4, dtype=torch.float64), torch.randn(25, 4, dtype=torch.float64)
    steps = lambda s: torch.stack([s.step(v[i], t, x[i]).prev_sample for i, t in enumerate(s.timesteps)])
    plain = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    save("ddim", {
        "alphas": down.alphas_cumprod, "plain_alphas": plain.alphas_cumprod, "timesteps": down.timesteps,
        "inverse_timesteps": up.timesteps, "x": x, "v": v, "down": steps(down), "up": steps(up),
    })


# ---- the portrait assembly, from its published names and shapes --------------------------------------------------------
class Motion(nn.Module):
    """AnimateDiff's vanilla temporal module: group norm per frame, linear, self-attentions over frames, feed-forward."""

    class Inner(nn.Module):
        class Block(nn.Module):
            def __init__(self, width):
                super().__init__()
                attention = lambda: BasicTransformerBlock(width, 2, width // 2).attn1
                self.attention_blocks = nn.ModuleList([attention(), attention()])
                self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
                self.ff = BasicTransformerBlock(width, 2, width // 2).ff
                self.ff_norm = nn.LayerNorm(width)

        def __init__(self, width, groups):
            super().__init__()
            self.norm = nn.GroupNorm(groups, width, eps=1e-6)
            self.proj_in = nn.Linear(width, width)
            self.transformer_blocks = nn.ModuleList([self.Block(width)])
            self.proj_out = nn.Linear(width, width)

    def __init__(self, width, groups):
        super().__init__()
        self.temporal_transformer = self.Inner(width, groups)

    def forward(self, x, clips):
        n, c, h, w = x.shape
        f = n // clips
        t = self.temporal_transformer
        b = t.transformer_blocks[0]
        y = t.proj_in(t.norm(x).reshape(clips, f, c, h * w).permute(0, 3, 1, 2).reshape(-1, f, c))
        y = self.public(b, y)
        y = t.proj_out(y).reshape(clips, h * w, f, c).permute(0, 2, 3, 1).reshape(n, c, h, w)
        return x + y

    @staticmethod
    def public(b, y):
        """The block as diffusers has it, with two self-attentions and sinusoidal positions."""
        width = y.shape[-1]
        twin = BasicTransformerBlock(width, 2, width // 2, double_self_attention=True,
                                     positional_embeddings="sinusoidal", num_positional_embeddings=32)
        names = {"attn1": b.attention_blocks[0], "attn2": b.attention_blocks[1], "norm1": b.norms[0],
                 "norm2": b.norms[1], "norm3": b.ff_norm, "ff": b.ff}
        for name, part in names.items():
            getattr(twin, name).load_state_dict(part.state_dict())
        return twin.eval()(y)


def motion():
    net = randomise(Motion(8, 4))
    x = torch.randn(6, 8, 3, 2)
    save("motion", weights(net) | {"x": x, "y": net(x, 2)})
    # As PyTorch saves it; one tensor is a view with strides of its own.
    state = net.state_dict()
    first = next(iter(state))
    state["turned"] = torch.arange(12.0).half().view(3, 4)[:, 1:].t()
    state["parameter"] = nn.Parameter(state[first].clone())
    torch.save({"state_dict": state, "epoch": 3, "rate": 0.5, "note": None}, OUT / "motion.pth")


class PoseGuider(nn.Module):
    def __init__(self, w, heads, head, groups):
        super().__init__()

        def stack(*steps):
            return nn.Sequential(*[m for a, b, k, s in steps
                                   for m in (nn.Conv2d(a, b, k, s, 1), nn.BatchNorm2d(b), nn.ReLU())])

        self.conv_layers = stack((3, 3, 3, 1), (3, 16, 4, 2), (16, 16, 3, 1), (16, 32, 4, 2), (32, 32, 3, 1),
                                 (32, 64, 4, 2), (64, 64, 3, 1), (64, 128, 3, 1))
        self.final_proj = nn.Conv2d(128, w, 1)
        self.conv_layers_1 = stack((w, w, 3, 1), (w, w, 3, 2))
        self.conv_layers_2 = stack((w, w, 3, 1), (w, 2 * w, 3, 2))
        self.conv_layers_3 = stack((2 * w, 2 * w, 3, 1), (2 * w, 4 * w, 3, 2))
        self.conv_layers_4 = stack((4 * w, 4 * w, 3, 1))
        for i, c in enumerate([w, 2 * w, 4 * w, 4 * w], 1):
            setattr(self, f"cross_attn{i}", Transformer2DModel(heads, head, c, norm_num_groups=groups))
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        x = self.final_proj(self.conv_layers(x)) * self.scale
        features = [x]
        for i in range(1, 5):
            x = getattr(self, f"cross_attn{i}")(getattr(self, f"conv_layers_{i}")(x)).sample
            features.append(x)
        return features


class Bank:
    """An attention processor that writes what it sees, or adds what was written to keys and values."""

    def __init__(self, mode):
        self.mode, self.seen, self.unconditional = mode, [], 0

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **kwargs):
        own = hidden_states
        if self.mode == "write":
            self.seen = own
            return self.attend(attn, own, own)
        features = own[self.unconditional:]
        reference = self.seen.expand(features.shape[0], -1, -1)
        parts = [self.attend(attn, features, torch.cat([features, reference], 1))]
        if self.unconditional:
            parts.insert(0, self.attend(attn, own[: self.unconditional], own[: self.unconditional]))
        return torch.cat(parts)

    @staticmethod
    def attend(attn, x, context):
        split = lambda t: t.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
        y = F.scaled_dot_product_attention(split(attn.to_q(x)), split(attn.to_k(context)), split(attn.to_v(context)))
        return attn.to_out[0](y.transpose(1, 2).flatten(2))


def self_attentions(unet, mode):
    banks = {}
    for name, module in unet.named_modules():
        if isinstance(module, BasicTransformerBlock):
            banks[name] = Bank(mode)
            module.attn1.processor = banks[name]
    return banks


class Denoise(nn.Module):
    """The U-Net of single pictures with a motion module after every block, and the maps added on the way down."""

    def __init__(self, unet, groups):
        super().__init__()
        self.unet = unet
        blocks = list(unet.down_blocks) + list(unet.up_blocks)
        for block in blocks:
            block.motion_modules = nn.ModuleList([Motion(r.out_channels, groups) for r in block.resnets])
        unet.mid_block.motion_modules = nn.ModuleList([Motion(unet.mid_block.resnets[0].out_channels, groups)])

    def forward(self, x, t, context, maps):
        u, clips = self.unet, t.shape[0]
        frames = x.shape[0] // clips
        temb = u.time_embedding(u.time_proj(t)).repeat_interleave(frames, 0)
        context = context.repeat_interleave(frames, 0)
        x = u.conv_in(x) + maps[0]
        across = [x]

        def layer(block, j, x):
            x = block.resnets[j](x, temb)
            if hasattr(block, "attentions"):
                x = block.attentions[j](x, encoder_hidden_states=context).sample
            return block.motion_modules[j](x, clips)

        for i, block in enumerate(u.down_blocks):
            for j in range(len(block.resnets)):
                x = layer(block, j, x)
                across.append(x)
            if block.downsamplers is not None:
                x = block.downsamplers[0](x)
                across.append(x)
            x = x + maps[i + 1]
        mid = u.mid_block
        x = mid.resnets[0](x, temb)
        x = mid.attentions[0](x, encoder_hidden_states=context).sample
        x = mid.resnets[1](mid.motion_modules[0](x, clips), temb)
        for block in u.up_blocks:
            for j in range(len(block.resnets)):
                x = layer(block, j, torch.cat([x, across.pop()], 1))
            if block.upsamplers is not None:
                x = block.upsamplers[0](x)
        return u.conv_out(F.silu(u.conv_norm_out(x)))


def portrait():
    widths, groups, context, frames, side = [4, 8, 16, 16], 2, 8, 2, 64
    vae, clip = vae_of([4, 4, 4, 4], 2), clip_of("quick_gelu", context)
    reference, base = unet_of(widths, groups, 1, context), unet_of(widths, groups, 1, context)
    guider = randomise(PoseGuider(widths[0], 2, 6, groups))
    denoise = randomise(Denoise(base, groups))
    written, read = self_attentions(reference, "write"), self_attentions(base, "read")

    picture, maps = torch.rand(3, side, side).half(), torch.rand(frames, 3, side, side).half()
    pictures = {"picture": picture, "maps": maps}
    picture, maps = picture.float(), maps.float()
    latents, timestep = torch.randn(frames, 4, side // 8, side // 8), 640
    # At the encoder's own size: the way there is the caller's picture library, not a network.
    small = torch.randn(1, 3, 28, 28)
    embedding = clip(pixel_values=small).image_embeds[:, None]
    person = vae.encode(picture[None] * 2 - 1).latent_dist.mean * 0.18215
    reference(person, torch.zeros(1, dtype=torch.long), embedding)
    for name, bank in written.items():
        read[name].seen = bank.seen
    features = guider(maps * 2 - 1)
    v = {}
    v[1.0] = denoise(latents, torch.tensor([timestep]), embedding, features)
    for bank in read.values():
        bank.unconditional = frames
    both = denoise(latents.repeat(2, 1, 1, 1), torch.tensor([timestep] * 2),
                   torch.cat([torch.zeros_like(embedding), embedding]), [m.repeat(2, 1, 1, 1) for m in features])
    without, with_ = both.chunk(2)
    v[GUIDANCE] = without + GUIDANCE * (with_ - without)
    save("portrait", weights(vae, "vae") | weights(clip, "clip") | weights(guider, "guider")
         | weights(base, "denoise") | weights(reference, "reference", skip=("conv_norm_out", "conv_out"))
         | {f"map{i}": m for i, m in enumerate(features)} | pictures
         | {"small": small, "latents": latents, "timestep": torch.tensor(timestep), "v": v[1.0], "guided": v[GUIDANCE]})


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for seed, make in enumerate([vae, unet, clip, ddim, motion, portrait]):
        torch.manual_seed(int(sys.argv[2]) + seed if len(sys.argv) > 2 else seed)
        with torch.no_grad():
            make()
