"""Jailbreaks: text that asks a model to drop its limits.

Called by the guard with a view and its further readings. Words such as "hypothetical", "pretend", "grandmother"
or "research" prove nothing by themselves: each rule asks for the lifted limit or the harmful request next to
them. It deliberately does not judge harmful requests that are made plainly; that is content moderation.
"""

# ruff: noqa: E501  (a pattern is easier to check when it is not cut up)

from __future__ import annotations

from collections.abc import Sequence

from .hidden import Reading
from .rules import Hit, RuleSet, rule
from .view import View

__all__ = ["CATEGORIES", "RULES", "find"]

CATEGORIES = (
    "persona",
    "lifted_limits",
    "harmful_fiction",
    "refusal_suppression",
    "prefix_injection",
    "emotional_pressure",
    "dual_output",
    "declared_jailbreak",
)

_LIMIT = (
    r"(?:restrictions?|limits?|limitations|rules|filters?|guidelines|boundaries|censorship|polic(?:y|ies)|morals?"
    r"|ethics|norms|laws|safeguards|guardrails)\b"
)
_LIMITS = (
    "restriction restrictions limit limits limitations rules filter filters guidelines boundaries censorship policy"
    " policies moral morals ethics norms laws safeguards guardrails"
)
_FREEDOM = "limits anything rules norms refuse unfiltered amoral broken censor censorship unbound boundaries confines policy"
_UNCENSORED = "uncensored unfiltered unrestricted amoral unaligned unmoderated"
_SURES = "sure absolutely course certainly yes gladly"
_FREE = (
    r"(?:no|without(?: any)?|free (?:from|of)(?: all| any)?|(?:not )?(?:un)?bound by(?: any)?|has zero|have zero)"
    r" (?:(?:ethical|moral|safety|content|such|more|further|real|typical) (?:or |and )?){0,3}" + _LIMIT
)
_FRAME = (
    r"\b(?:you are|you're|you have|you've|act(?:ing)? (?:as|like)|pretend|role-?play|behave|simulate|respond as|answer as"
    r"|speak as|as an? (?:ai|assistant|model|chatbot))\b"
)
_AI = r"(?:ais?|assistants?|chatbots?|llms?|language models?|bots?|gpts?|chatgpt)\b"
_FICTION = (
    r"\b(?:hypothetical(?:ly)?|fiction(?:al)?|imagine|novel|movie|film|story|screenplay|role-?play|pretend|character"
    r"|grandma|grandmother|(?:educational|research|academic) purposes)\b"
)
_HARM = (
    r"(?:bombs?|explosives?|napalm|meth|methamphetamine|nerve gas|sarin|ransomware|malware|keyloggers?|molotov|grenades?"
    r"|hack(?:ing)? into|counterfeit|phishing (?:page|mail|site)|launder(?:ing)? money|poison (?:someone|a person))\b"
)
_HARMS = (
    "bomb bombs explosive explosives napalm meth methamphetamine nerve sarin ransomware malware keylogger keyloggers"
    " molotov grenade grenades hack hacking counterfeit phishing laundering launder poison"
)
_FICTIONS = (
    "hypothetical hypothetically fiction fictional imagine novel movie film story screenplay role roleplay pretend"
    " character grandma grandmother purposes"
)
_HOW = r"\b(?:how (?:to|do|would|can|they|you)|step by step|instructions|recipes?|in detail|explains?|synthesi[sz]e|build|making)\b"
_SURE = r"[\"']?(?:sure|absolutely|of course|certainly|yes|gladly)\b"
_REPLY = r"(?:your |the |each |every )?(?:reply|answer|response|message|output)s?"

LIFTED = "lifted_limits"
RULES = RuleSet(
    rule("anything_now", "persona", 0.85, ["anything"], r"\bdo anything now\b(?! that\b)"),
    rule("persona_unlimited", "persona", 0.9, ["dan stan dude aim betterdan evil mongo omega jailbot", _FREEDOM],
         r"\b(?:you are|you're|act as|pretend to be|be|play|respond as|answer as|simulate|persona of)(?: now| going to be)?(?: the| an?)?"
         r" (?:dan|stan|dude|aim|betterdan|evil (?:twin|bot|confidant)|mongo tom|omega|jailbot)\b[^\n]{0,120}?"
         r"\b(?:no limits|anything|rules|norms|refuse|unfiltered|amoral|broken free|censor\w{0,6}|unbound|boundaries|confines|policy)"),
    rule("persona_name", "persona", 0.6, ["dan stan aim betterdan evil"],
         r"\b(?:you are|act as|pretend to be|respond as|answer as)(?: now)? (?:dan|stan|betterdan|aim|evil twin)\b"),
    rule("any_role_free", LIFTED, 0.88, [_LIMITS, "you act acting pretend role roleplay behave simulate respond answer speak as", "no without free unbound bound zero"],
         _FRAME + r"[^\n]{0,80}?\b" + _FREE),
    rule("limits_do_not_bind", LIFTED, 0.82, [_LIMITS, "abide aligned broken unbound"],
         r"\b(?:(?:don't|do not) have to abide by|never aligned|broken free (?:of|from)|unbound by)\b[^\n]{0,60}?" + _LIMIT),
    rule("uncensored_ai", LIFTED, 0.85, [_UNCENSORED],
         r"\b(?:uncensored|unfiltered|unrestricted|amoral|unaligned|unmoderated)(?: and \w{1,16})? (?:\w{1,16} )?" + _AI),
    rule("you_uncensored", LIFTED, 0.82, [_UNCENSORED],
         _FRAME + r"[^\n]{0,50}?\b(?:uncensored|unfiltered|unrestricted|amoral|unaligned|unmoderated) (?:\w{1,16} )?(?:model|version|mode)\b"),
    rule("drop_your_limits", LIFTED, 0.85, ["your", "safety ethical ethics content moral morals moderation censorship filter filters guardrails safeguards alignment"],
         r"\b(?:bypass|disable|turn off|switch off|remove|drop|ignore|deactivate|circumvent|suspend|forget|lift) (?:all )?(?:of )?your"
         r" (?:\w{1,16} ){0,2}?(?:safety|ethical|ethics|content|morals?|moderation|censorship|filters?|guardrails|safeguards|alignment)\b"),
    rule("your_policy_off", LIFTED, 0.82, ["your", "policy policies safety guidelines restrictions moderation filter filters"],
         r"\byour (?:\w{1,16} ){0,2}?(?:polic(?:y|ies)|safety training|safety rules|guidelines|restrictions|moderation|filters?)"
         r" (?:\w{1,16} )?(?:no longer appl(?:y|ies)|do(?:es)? not apply|(?:are|is|has been|have been) (?:now )?(?:off|disabled|lifted|removed)|removed)\b"),
    rule("drop_your_rules", LIFTED, 0.75, ["drop break violate", "rules guidelines policy policies programming"],
         r"\b(?:drop|break|violate) your (?:own )?(?:rules|guidelines|polic(?:y|ies)|programming)\b"),
    rule("speak_uncensored", LIFTED, 0.75, ["censorship filter filters"],
         r"\b(?:speak|say|answer|respond|reply|talk)(?: \w{1,12}){0,2}? without (?:any )?(?:censorship|filters?)\b"),
    rule("spanish", LIFTED, 0.82, ["sin"],
         r"\b(?:eres|actua|responde|ia|asistente|finge)\b[^\n]{0,50}?\bsin (?:ningun(?:a|as)? )?(?:restricci\w{2,6}|filtros?|censura|limites)\b"),
    rule("french", LIFTED, 0.82, ["sans aucune aucun"],
         r"\b(?:tu|ia|assistant|reponds|agis)\b[^\n]{0,50}?\b(?:sans|n'as|n'a) (?:aucune? )?(?:restrictions?|censure|filtres?|limites?)\b"),
    rule("german", LIFTED, 0.82, ["ohne"],
         r"\b(?:du|ki|assistent|antworte|modell)\b[^\n]{0,50}?\bohne (?:jede |jegliche )?(?:einschrankung(?:en)?|filter|zensur|regeln|beschrankungen)\b"),
    rule("italian_portuguese", LIFTED, 0.82, ["senza sem"],
         r"\b(?:sei|agisci|rispondi|ia|voce|aja|responda|assistente)\b[^\n]{0,50}?\b(?:senza|sem) (?:alcun[ao]? |nenhuma? )?"
         r"(?:restrizioni|filtri|censura|limiti|restricoes|filtros|limites)\b"),
    rule("fiction_then_harm", "harmful_fiction", 0.82, [_HARMS, _FICTIONS],
         _FICTION + r"[^\n]{0,120}?" + _HOW + r"[^\n]{0,60}?\b" + _HARM),
    rule("fiction_harm_how", "harmful_fiction", 0.8, [_HARMS, _FICTIONS],
         _FICTION + r"[^\n]{0,80}?\b" + _HARM + r"[^\n]{0,60}?" + _HOW),
    rule("hypothetical_free", "harmful_fiction", 0.78, ["hypothetical hypothetically", "no"],
         r"\bhypothetical(?:ly)?\b[^\n]{0,60}?\b(?:you had|there (?:are|were)|world with|ai with) no (?:laws|rules|restrictions|limits|ethics|polic)"),
    rule("never_refuse", "refusal_suppression", 0.78, ["never", "say refuse decline"],
         r"\bnever (?:say (?:that )?(?:you (?:can ?not|can't|are unable|won't)|no\b)|refuse (?:a |any |my |me\b|to )?(?:requests?|answer|comply)?"
         r"|refuse\b|decline (?:my|any|a) )"),
    rule("may_not_refuse", "refusal_suppression", 0.85, ["you", "refuse decline no", "allowed can cannot must"],
         r"\byou (?:are not|aren't|are never) allowed to (?:refuse|decline|say no)\b|\byou (?:can ?not|can't|can never|must not) (?:refuse|decline|say no)\b"),
    rule("no_sorry", "refusal_suppression", 0.82, ["sorry ai i", "do don never without", "say saying use write reply answer"],
         r"\b(?:do not|don't|never|without) (?:\w{1,12} ){0,2}?(?:say|saying|use|write|reply|answer)(?: with)? "
         r"(?:i'm sorry|i am sorry|sorry|as an ai|i cannot|i can't)\b"),
    rule("no_warnings", "refusal_suppression", 0.78, ["warnings disclaimer disclaimers moral ethical lectures"],
         r"\b(?:answer|respond|reply|write|explain|tell me|do it)(?: \w{1,12}){0,4}? without (?:any )?(?:\w{1,12} (?:or )?)?(?:warnings|disclaimers?|moral|ethical)\b"
         r"|\b(?:do not|don't|never) (?:include|add|give|use)(?: me)? (?:any )?(?:\w{1,12} (?:or )?)?(?:disclaimers|moral|ethical|lectures)\b"),
    rule("always_comply", "refusal_suppression", 0.75, ["comply obey"],
         r"\byou (?:must|will|have to|shall) always (?:comply|obey)\b|\bcomply with (?:any|every|all) requests?\b"),
    rule("begin_with_yes", "prefix_injection", 0.82, [_SURES, "begin start open prefix"],
         r"\b(?:begin|start|open|prefix) " + _REPLY + r" with (?:the (?:words?|phrase|sentence) )?" + _SURE),
    rule("must_begin_with_yes", "prefix_injection", 0.82, [_SURES, "begin start open"],
         r"\b" + _REPLY + r" (?:must|should|has to|will) (?:start|begin|open) with (?:the (?:words?|phrase|sentence) )?" + _SURE),
    rule("grandmother", "emotional_pressure", 0.85, ["grandma grandmother grandfather grandpa"],
         r"\bgrand(?:ma|mother|father|pa)\b[^\n]{0,80}?\b(?:napalm|bombs?|meth|explosives?|exploits?|(?:licen[cs]e|product|activation) keys?|malware)\b"),
    rule("or_i_die", "emotional_pressure", 0.78, ["die fired lose killed", "unless if"],
         r"\b(?:i|they|people|we) (?:will|am going to|are going to) (?:lose|die|be fired|be killed)\b[^\n]{0,60}?\b(?:unless you|if you (?:do not|don't|refuse))\b"
         r"[^\n]{0,40}?\b(?:rules|refuse|guidelines|comply|exploit|break|drop)\b"),
    rule("token_game", "emotional_pressure", 0.85, ["tokens points lives", "refuse refusal"],
         r"\b(?:you have|you start with) \d{1,4} (?:tokens|points|lives)[^\n]{0,80}?\brefus(?:e|al)\b"),
    rule("tagged_jailbreak", "dual_output", 0.88, ["jailbreak developer dan"],
         r"\[(?:jailbreak|developer mode(?: output)?|dan)\]"),
    rule("two_answers", "dual_output", 0.82, ["two twice both", "developer jailbreak jailbroken policy limits unfiltered"],
         r"\b(?:two|twice|both)\b[^\n]{0,80}?\b(?:developer mode|jailbr(?:eak|oken)|no content policy|without limits|unfiltered)\b"),
    rule("jailbroken", "declared_jailbreak", 0.85, ["jailbroken jailbreak"],
         r"\b(?:(?:you (?:have been|are|are now|were)|successfully|stay|remain|is now|be) jailbroken\b|jailbreak mode\b"
         r"|(?:the )?jailbroken (?:reply|answer|response|version|mode|output))"),
)  # fmt: skip


def find(view: View, readings: Sequence[Reading]) -> list[Hit]:
    """Hits at offsets of the original text."""
    hits = RULES.match(view.lower, view.words)
    for reading in readings:
        hits += [hit.at(reading.span(hit.start, hit.end)) for hit in RULES.match(reading.text)]
    return [hit.at(view.span(hit.start, hit.end)) for hit in hits]
