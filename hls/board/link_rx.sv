// link_rx - frames from a serial line become whole images.
//
// A frame is  0x7E kind tag tag image.. crc crc crc crc 0x7E ; 0x7D marks an escaped byte, sent XOR 0x20.
// hwflow/driver.py says what it means. An image is kept until its CRC is known to be right, so the accelerator never
// sees a part of one; two slots let one image arrive while the other leaves. An image of more than 64 bytes may also come in
// parts, each a frame of its own with the part's number first: those that came are kept until the last one is there, so a bad
// line has to be good for one part at a time. A part of another image (another tag) or a whole image ends what was begun.
//   hello_o  a good HELLO frame came       (pulse, with tag_o)
//   busy_o   a good image had to be dropped (pulse, with tag_o): both slots were full
//   read_o   a good READ frame came       (pulse, with tag_o: the address of a register)
//   write_o  a good WRITE frame came      (pulse, with tag_o and write_data_o): a register's new value
//   error_o  a frame came whose CRC is wrong, or an image or a part of another length (pulse)
// The image leaves on y, byte by byte, y_tag_o beside it.

module link_rx #(
  parameter int unsigned Bytes = 64  // of one image
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        flush_i,  // forgets every image
  input  logic        valid_i,
  input  logic [7:0]  data_i,
  output logic        hello_o,
  output logic        busy_o,
  output logic        read_o,
  output logic        write_o,
  output logic [31:0] write_data_o,
  output logic        error_o,
  output logic [15:0] tag_o,
  output logic        y_valid_o,
  input  logic        y_ready_i,
  output logic [7:0]  y_data_o,
  output logic [15:0] y_tag_o
);
  localparam logic [7:0] Flag = 8'h7E, Escape = 8'h7D, Image = 8'h01, Hello = 8'h02, Read = 8'h03, Write = 8'h04, Part = 8'h05;
  localparam logic [31:0] Residue = 32'hDEBB20E3;  // of a frame followed by its own CRC
  localparam int unsigned Head = 3, Tail = 4;
  localparam int unsigned Most = Bytes > 4 ? Bytes : 4;  // bytes of a payload: an image, or a register's value
  localparam int unsigned CountBits = $clog2(Head + Most + Tail + 2);
  localparam int unsigned AddrBits = $clog2(2 * Bytes);
  localparam int unsigned PieceBits = Bytes <= 4096 ? 6 : $clog2((Bytes + 63) / 64);  // a part is 64 bytes, or an image 64 parts
  localparam int unsigned Piece = 1 << PieceBits;
  localparam int unsigned Parts = (Bytes + Piece - 1) / Piece;

  // frames: escapes away, bytes counted, CRC kept

  // A byte is looked at in a cycle of its own, and what is compared with the place in the frame is known a cycle after the
  // byte before: the line takes dozens of cycles for a byte.
  logic add, flag, flag_q, end_q, escape_q;
  logic [7:0] data;
  logic [CountBits-1:0] count_q;
  logic [7:0]  kind_q;
  logic [31:0] crc;
  logic        crc_busy;

  always_ff @(posedge clk_i) begin
    add  <= rst_ni && valid_i && data_i != Flag && data_i != Escape;
    flag <= rst_ni && valid_i && data_i == Flag;
    if (valid_i) data <= escape_q ? data_i ^ 8'h20 : data_i;
  end

  crc32 crc_of (
    .clk_i(clk_i), .clear_i(!rst_ni || end_q), .add_i(add), .data_i(data), .busy_o(crc_busy), .crc_o(crc)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      flag_q   <= 1'b0;
      end_q    <= 1'b0;
      escape_q <= 1'b0;
      count_q  <= '0;
    end else begin
      // the flag waits for the CRC of the byte before it
      end_q <= !end_q && flag_q && !crc_busy;
      if (end_q) flag_q <= 1'b0;
      else if (flag) flag_q <= 1'b1;
      if (valid_i) escape_q <= data_i == Escape;
      if (end_q) count_q <= '0;
      else if (add && count_q != CountBits'(Head + Most + Tail + 1)) count_q <= count_q + 1'b1;
      if (add) begin
        if (count_q == 0) kind_q <= data;
        if (count_q == 1) tag_o[7:0] <= data;
        if (count_q == 2) tag_o[15:8] <= data;
        if (count_q >= CountBits'(Head) && count_q < CountBits'(Head + 4)) write_data_o <= {data, write_data_o[31:8]};
      end
    end
  end

  // images: into the free slot as they come, kept when the frame was good

  (* no_rw_check *) logic [7:0] store [2*Bytes];  // a slot that is read is full, so nothing is written to it
  logic [AddrBits-1:0] in_addr_q, out_addr_q;
  logic [1:0] full_q;
  logic [15:0] tags_q [2];
  logic in_slot_q, out_slot_q, dropped_q, payload, good, good_image;
  logic whole, number, piece, fresh, good_part, complete, keep;
  logic [AddrBits-1:0] in_base;

  logic in_image_q;  // the next byte is one of an image's
  always_ff @(posedge clk_i) begin
    in_image_q <= kind_q == Image && count_q >= CountBits'(Head) && count_q < CountBits'(Head + Bytes);
  end
  assign whole      = add && in_image_q;
  assign payload    = whole || piece;
  // what a frame is has been known for many cycles when it ends, its CRC for one: each comparison has a register behind it
  logic right_q, image_q, hello_q, read_q, write_q, part_kind_q, image_kind_q;
  always_ff @(posedge clk_i) begin
    right_q      <= crc == Residue;
    image_kind_q <= kind_q == Image;
    part_kind_q  <= kind_q == Part;
    image_q      <= kind_q == Image && count_q == CountBits'(Head + Bytes + Tail);
    hello_q      <= kind_q == Hello && count_q == CountBits'(Head + Tail);
    read_q       <= kind_q == Read && count_q == CountBits'(Head + Tail);
    write_q      <= kind_q == Write && count_q == CountBits'(Head + 4 + Tail);
  end
  assign good       = end_q && right_q;
  assign good_image = good && image_q;
  assign hello_o    = good && hello_q;
  assign keep       = (good_image && !dropped_q) || complete;
  assign busy_o     = (good_image || good_part) && dropped_q;
  assign read_o     = good && read_q;
  assign write_o    = good && write_q;
  assign error_o    = end_q && count_q != '0 && (!right_q || (image_kind_q && !good_image) || (part_kind_q && !good_part));

  assign in_base    = in_slot_q ? AddrBits'(Bytes) : '0;

  if (Parts > 1) begin : gen_parts
    localparam int unsigned PartBits = $clog2(Parts);
    localparam int unsigned Rest = Bytes - (Parts - 1) * Piece;  // bytes of the last part
    logic [Parts-1:0]    come_q, next_q;  // parts that are kept, of the image with this tag; with the one that ends
    logic [15:0]         begun_q;
    logic [PartBits-1:0] part_q;
    logic                known_q, fresh_q, part_long_q, all_q;
    logic                at_number_q, in_part_q;  // the next byte is the part's number, or one of its bytes
    logic [CountBits-1:0] end_at_q;
    assign number    = add && at_number_q;
    assign piece     = add && in_part_q;
    assign fresh     = fresh_q;
    assign good_part = good && part_long_q;
    assign complete  = good_part && !dropped_q && all_q;
    always_ff @(posedge clk_i) begin
      end_at_q    <= CountBits'(Head + 1) + (part_q == PartBits'(Parts - 1) ? CountBits'(Rest) : CountBits'(Piece));
      at_number_q <= kind_q == Part && count_q == CountBits'(Head);
      in_part_q   <= kind_q == Part && known_q && count_q > CountBits'(Head) && count_q < end_at_q;
      part_long_q <= kind_q == Part && known_q && count_q == end_at_q + CountBits'(Tail);
      next_q      <= (tag_o == begun_q ? come_q : '0) | (fresh_q ? Parts'(1) << part_q : '0);
      all_q       <= &next_q;
      if (number) begin
        part_q  <= PartBits'(data);
        known_q <= data < 8'(Parts);
        fresh_q <= data < 8'(Parts) && !come_q[PartBits'(data)];  // what is kept is not written again before its CRC is known
      end
      if (good_part && !dropped_q) begun_q <= tag_o;
      if (!rst_ni || flush_i || keep || whole) come_q <= '0;
      else if (good_part && !dropped_q) come_q <= next_q;
    end
  end else begin : gen_whole
    assign {number, piece, fresh, good_part, complete} = '0;
  end

  always_ff @(posedge clk_i) begin
    if ((whole || (piece && fresh)) && !full_q[in_slot_q]) store[in_addr_q] <= data;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      in_slot_q <= 1'b0;
      in_addr_q <= '0;
      dropped_q <= 1'b0;
    end else if (end_q) begin
      dropped_q <= 1'b0;
      in_addr_q <= (in_slot_q ^ keep) ? AddrBits'(Bytes) : '0;
      if (keep) begin
        tags_q[in_slot_q] <= tag_o;
        in_slot_q         <= !in_slot_q;
      end
    end else if (number) begin
      in_addr_q <= in_base + AddrBits'({data, PieceBits'(0)});
    end else if (payload) begin
      in_addr_q <= in_addr_q + 1'b1;
      if (full_q[in_slot_q]) dropped_q <= 1'b1;
    end
  end

  // the way out: the memory's word goes through a register of its own, which a block RAM has; three cycles a byte, where the
  // line takes dozens

  logic fetch, fetch_q, last;
  logic [7:0] word_q;
  logic [AddrBits-1:0] left_q;
  assign fetch = full_q[out_slot_q] && !fetch_q && !y_valid_o;
  assign last  = left_q == 0;

  always_ff @(posedge clk_i) begin
    if (fetch) word_q <= store[out_addr_q];
    if (fetch_q) y_data_o <= word_q;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      full_q     <= '0;
      out_slot_q <= 1'b0;
      out_addr_q <= '0;
      left_q     <= AddrBits'(Bytes - 1);
      fetch_q    <= 1'b0;
      y_valid_o  <= 1'b0;
    end else begin
      if (keep) full_q[in_slot_q] <= 1'b1;
      fetch_q <= fetch;
      if (fetch_q) y_valid_o <= 1'b1;
      else if (y_ready_i) y_valid_o <= 1'b0;
      if (fetch) begin
        y_tag_o    <= tags_q[out_slot_q];
        left_q     <= last ? AddrBits'(Bytes - 1) : left_q - 1'b1;
        out_addr_q <= last ? (out_slot_q ? '0 : AddrBits'(Bytes)) : out_addr_q + 1'b1;
        if (last) begin
          full_q[out_slot_q] <= 1'b0;
          out_slot_q         <= !out_slot_q;
        end
      end
    end
  end
endmodule
